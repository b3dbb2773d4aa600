// Renders the rows of perturbed and padded images.
#include "row_source.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace vrs {

RowSource::RowSource(PerturbedImage image, const Geometry& geometry)
    : image_(std::move(image)), background_(geometry.pad_colour) {
  const Size size = image_.size();
  const int edge = std::max(size.height, size.width);
  height_ = geometry.pad_to_square ? edge : size.height;
  width_ = geometry.pad_to_square ? edge : size.width;
  top_ = (height_ - size.height) / 2;  // as LLaVA's pad_to_square
  left_ = (width_ - size.width) / 2;
  const bool is_padded = height_ != size.height || width_ != size.width;
  is_direct_ = !is_padded && image_.kind() == PerturbationKind::identity;
}

const std::uint8_t* RowSource::row(int y, std::uint8_t* scratch) const {
  if (is_direct_) return image_.source().pixels + y * image_.source().row_stride;
  const Size size = image_.size();
  const bool is_inside = y >= top_ && y < top_ + size.height;
  if (!is_inside || width_ != size.width) {
    for (int x = 0; x < width_; ++x) std::copy_n(background_.data(), 3, scratch + 3 * x);
  }
  if (is_inside) image_.write_row(y - top_, scratch + std::ptrdiff_t{3} * left_);
  return scratch;
}

}  // namespace vrs
