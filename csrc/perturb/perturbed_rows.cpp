// Renders the rows of perturbed and padded images.
#include "perturbed_rows.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace vrs {

Padding pad_image(const Geometry& geometry, const Size& size) {
  if (!geometry.pad_to_square) return {size.height, size.width, 0, 0};
  const int edge = std::max(size.height, size.width);
  return {edge, edge, (edge - size.height) / 2, (edge - size.width) / 2};  // as LLaVA's
}

PerturbedRows::PerturbedRows(PerturbedImage image, const Geometry& geometry)
    : image_(std::move(image)),
      background_(geometry.pad_colour),
      padding_(pad_image(geometry, {image_.height(), image_.width()})) {
  const bool is_padded = height() != image_.height() || width() != image_.width();
  is_direct_ = !is_padded && image_.kind() == PerturbationKind::identity;
}

Region PerturbedRows::occluded() const {
  const Region region = image_.occluded();
  const int top = padding_.top, left = padding_.left;
  return {region.top + top, region.left + left, region.bottom + top, region.right + left};
}

void PerturbedRows::find_rows(int y, int count, std::uint8_t* scratch,
                              const std::uint8_t** rows) const {
  if (is_direct_) {
    const ImageView& image = image_.source();
    for (int r = 0; r < count; ++r) rows[r] = image.pixels + (y + r) * image.row_stride;
    return;
  }
  const std::ptrdiff_t pitch = std::ptrdiff_t{3} * width();
  const int top = padding_.top, bottom = top + image_.height();
  for (int r = 0; r < count; ++r) {
    std::uint8_t* row = scratch + pitch * r;
    rows[r] = row;
    const bool is_full = y + r >= top && y + r < bottom && width() == image_.width();
    for (int x = 0; x < width() && !is_full; ++x) std::copy_n(background_.data(), 3, row + 3 * x);
  }
  const int begin = std::max(y, top), end = std::min(y + count, bottom);
  if (begin >= end) return;
  image_.write_rows(begin - top, end - begin,
                    scratch + pitch * (begin - y) + std::ptrdiff_t{3} * padding_.left, pitch);
}

}  // namespace vrs
