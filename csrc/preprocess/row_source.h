// The rows that the resize reads: the source's own where nothing changes them, else rows rendered
// with the perturbation and the padding to a square.
#pragma once

#include <cstdint>

#include "perturb.h"
#include "preprocess.h"

namespace vrs {

class RowSource {
 public:
  RowSource(PerturbedImage image, const Geometry& geometry);

  int height() const { return height_; }
  int width() const { return width_; }
  int channels() const { return is_direct_ ? image_.source().channels : 3; }

  PerturbationKind kind() const { return image_.kind(); }

  // Of an occlusion: the rectangle within these rows.
  Region occluded() const;

  // Row `y`: the image's memory, or `scratch` (width() * 3 bytes) after writing to it.
  const std::uint8_t* row(int y, std::uint8_t* scratch) const;

 private:
  PerturbedImage image_;
  std::array<std::uint8_t, 3> background_;
  int height_;
  int width_;
  int top_;  // of the image within the padding
  int left_;
  bool is_direct_;
};

}  // namespace vrs
