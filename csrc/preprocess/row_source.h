// The rows that the resize reads: the source's own where nothing changes them, else rows rendered
// with the perturbation and the padding to a square.
#pragma once

#include <cstdint>

#include "perturb.h"
#include "preprocess.h"

namespace vrs {

// The image as the resize sees it, and where in it the image itself lies.
struct Padding {
  int height = 0;
  int width = 0;
  int top = 0;
  int left = 0;
};

// `size`: of the perturbed image.
Padding pad_image(const Geometry& geometry, const Size& size);

class RowSource {
 public:
  RowSource(PerturbedImage image, const Geometry& geometry);

  int height() const { return padding_.height; }
  int width() const { return padding_.width; }
  int channels() const { return is_direct_ ? image_.source().channels : 3; }

  PerturbationKind kind() const { return image_.kind(); }

  // Of an occlusion: the rectangle within these rows.
  Region occluded() const;

  // Rows `y` .. `y` + count - 1 to rows[0] .. rows[count - 1]: the image's memory, or `scratch`
  // (width() * 3 bytes a row) after writing to it.
  void find_rows(int y, int count, std::uint8_t* scratch, const std::uint8_t** rows) const;

 private:
  PerturbedImage image_;
  std::array<std::uint8_t, 3> background_;
  Padding padding_;
  bool is_direct_;
};

}  // namespace vrs
