// Renders the rows of perturbed and padded images.
#include "row_source.h"

#include <algorithm>
#include <cstddef>

namespace vrs {

RowSource::RowSource(const PerturbedImage& image, const Geometry& geometry)
    : image_(image), background_(geometry.pad_colour) {
  const ImageView& source = image.source();
  const int edge = std::max(source.height, source.width);
  height_ = geometry.pad_to_square ? edge : source.height;
  width_ = geometry.pad_to_square ? edge : source.width;
  top_ = (height_ - source.height) / 2;  // as LLaVA's pad_to_square
  left_ = (width_ - source.width) / 2;
  const bool is_padded = height_ != source.height || width_ != source.width;
  is_direct_ = !is_padded && image.kind() == PerturbationKind::identity;
}

const std::uint8_t* RowSource::row(int y, std::uint8_t* scratch) const {
  const ImageView& source = image_.source();
  if (is_direct_) return source.pixels + y * source.row_stride;
  const bool is_inside = y >= top_ && y < top_ + source.height;
  if (!is_inside || width_ != source.width) {
    for (int x = 0; x < width_; ++x) std::copy_n(background_.data(), 3, scratch + 3 * x);
  }
  if (is_inside) image_.write_row(y - top_, scratch + std::ptrdiff_t{3} * left_);
  return scratch;
}

}  // namespace vrs
