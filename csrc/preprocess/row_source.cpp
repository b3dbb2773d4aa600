// Renders the rows of perturbed and padded images.
#include "row_source.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace vrs {

RowSource::RowSource(PerturbedImage image, const Geometry& geometry)
    : image_(std::move(image)), background_(geometry.pad_colour) {
  const int edge = std::max(image_.height(), image_.width());
  height_ = geometry.pad_to_square ? edge : image_.height();
  width_ = geometry.pad_to_square ? edge : image_.width();
  top_ = (height_ - image_.height()) / 2;  // as LLaVA's pad_to_square
  left_ = (width_ - image_.width()) / 2;
  const bool is_padded = height_ != image_.height() || width_ != image_.width();
  is_direct_ = !is_padded && image_.kind() == PerturbationKind::identity;
}

Region RowSource::occluded() const {
  const Region region = image_.occluded();
  return {region.top + top_, region.left + left_, region.bottom + top_, region.right + left_};
}

const std::uint8_t* RowSource::row(int y, std::uint8_t* scratch) const {
  if (is_direct_) return image_.source().pixels + y * image_.source().row_stride;
  const bool is_inside = y >= top_ && y < top_ + image_.height();
  if (!is_inside || width_ != image_.width()) {
    for (int x = 0; x < width_; ++x) std::copy_n(background_.data(), 3, scratch + 3 * x);
  }
  if (is_inside) image_.write_row(y - top_, scratch + std::ptrdiff_t{3} * left_);
  return scratch;
}

}  // namespace vrs
