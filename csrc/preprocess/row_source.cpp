// Renders the rows of perturbed and padded images.
#include "row_source.h"

#include <algorithm>
#include <cstddef>

#include "perturb.h"

namespace vrs {

RowSource::RowSource(const ImageView& image, const Perturbation& perturbation,
                     const Geometry& geometry)
    : image_(image), perturbation_(perturbation), background_(geometry.pad_colour) {
  const int edge = std::max(image.height, image.width);
  height_ = geometry.pad_to_square ? edge : image.height;
  width_ = geometry.pad_to_square ? edge : image.width;
  top_ = (height_ - image.height) / 2;  // as LLaVA's pad_to_square
  left_ = (width_ - image.width) / 2;
  const bool is_padded = height_ != image.height || width_ != image.width;
  is_direct_ = !is_padded && perturbation.kind == PerturbationKind::identity;
}

const std::uint8_t* RowSource::row(int y, std::uint8_t* scratch) const {
  if (is_direct_) return image_.pixels + y * image_.row_stride;
  if (width_ != image_.width || y < top_ || y >= top_ + image_.height) {
    for (int x = 0; x < width_; ++x) std::copy_n(background_.data(), 3, scratch + 3 * x);
  }
  if (y >= top_ && y < top_ + image_.height) {
    perturb_row(image_, perturbation_, y - top_, scratch + std::ptrdiff_t{3} * left_);
  }
  return scratch;
}

}  // namespace vrs
