// The rows of a job: the image's own where nothing changes them, else rows rendered with the
// perturbation and the padding to a square.
#pragma once

#include <cstdint>

#include "contract/preprocess.h"
#include "perturb.h"
#include "resample/row_source.h"

namespace vrs {

// The size of the image as the resize sees it, and the place of the image itself in it.
struct Padding {
  int height = 0;
  int width = 0;
  int top = 0;
  int left = 0;
};

// `size`: of the perturbed image.
Padding pad_image(const Geometry& geometry, const Size& size);

class PerturbedRows final : public RowSource {
 public:
  PerturbedRows(PerturbedImage image, const Geometry& geometry);

  int height() const { return padding_.height; }
  int width() const override { return padding_.width; }
  int channels() const override { return is_direct_ ? image_.source().channels : 3; }

  PerturbationKind kind() const { return image_.kind(); }

  // Of an occlusion: the rectangle within these rows.
  Region occluded() const;

  void find_rows(int y, int count, std::uint8_t* scratch, const std::uint8_t** rows) const override;

 private:
  PerturbedImage image_;
  std::array<std::uint8_t, 3> background_;
  Padding padding_;
  bool is_direct_;
};

}  // namespace vrs
