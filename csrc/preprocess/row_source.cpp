// Renders the rows of perturbed and padded images.
#include "row_source.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace vrs {

Padding pad_image(const Geometry& geometry, const Size& size) {
  if (!geometry.pad_to_square) return {size.height, size.width, 0, 0};
  const int edge = std::max(size.height, size.width);
  return {edge, edge, (edge - size.height) / 2, (edge - size.width) / 2};  // as LLaVA's
}

RowSource::RowSource(PerturbedImage image, const Geometry& geometry)
    : image_(std::move(image)),
      background_(geometry.pad_colour),
      padding_(pad_image(geometry, {image_.height(), image_.width()})) {
  const bool is_padded = height() != image_.height() || width() != image_.width();
  is_direct_ = !is_padded && image_.kind() == PerturbationKind::identity;
}

Region RowSource::occluded() const {
  const Region region = image_.occluded();
  const int top = padding_.top, left = padding_.left;
  return {region.top + top, region.left + left, region.bottom + top, region.right + left};
}

const std::uint8_t* RowSource::row(int y, std::uint8_t* scratch) const {
  if (is_direct_) return image_.source().pixels + y * image_.source().row_stride;
  const int image_y = y - padding_.top;
  const bool is_inside = image_y >= 0 && image_y < image_.height();
  if (!is_inside || width() != image_.width()) {
    for (int x = 0; x < width(); ++x) std::copy_n(background_.data(), 3, scratch + 3 * x);
  }
  if (is_inside) image_.write_row(image_y, scratch + std::ptrdiff_t{3} * padding_.left);
  return scratch;
}

}  // namespace vrs
