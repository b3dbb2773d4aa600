// Reduces an image, and enlarges the rows that are asked for.
#include "low_pass.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "resample/cpu_plan.h"
#include "resample/resample_band.h"
#include "resample/row_source.h"

namespace vrs {

Geometry lanczos_geometry(const Size& size) {
  Geometry geometry;
  geometry.resize = ResizeMode::exact;
  geometry.resize_height = geometry.crop_height = size.height;
  geometry.resize_width = geometry.crop_width = size.width;
  geometry.filter = Filter::lanczos;
  for (LevelTable& table : geometry.tables) {
    for (int level = 0; level < 256; ++level) table.values[level] = static_cast<float>(level);
  }
  return geometry;
}

Size reduced_size(const Size& image, int lines) {
  const double share = static_cast<double>(lines) / std::min(image.height, image.width);
  const auto scale = [=](int edge) { return static_cast<int>(std::floor(edge * share + 0.5)); };
  return {scale(image.height), scale(image.width)};
}

namespace {

// An image of our own: packed RGB.
struct Pixels {
  std::vector<std::uint8_t> rgb;
  ImageView view;
};

Pixels resize(const ImageView& image, const Size& size, const PerturbKernels& kernels) {
  const Geometry geometry = lanczos_geometry(size);
  const ImageRows source(image);
  const auto plan =
      find_cpu_plan(geometry, image.height, image.width, resample_kernels_named(kernels.name));
  const std::size_t count = static_cast<std::size_t>(size.height) * size.width;
  std::vector<float> planes(3 * count);
  resample_band(*plan, source, geometry, OutputType::float32, false, 0, size.height,
                {planes.data()});
  Pixels pixels;
  pixels.rgb.resize(3 * count);
  for (std::size_t i = 0; i < count; ++i) {
    for (int c = 0; c < 3; ++c) {
      pixels.rgb[3 * i + c] = static_cast<std::uint8_t>(planes[c * count + i]);
    }
  }
  pixels.view = {pixels.rgb.data(), size.height, size.width, 3, std::int64_t{3} * size.width};
  return pixels;
}

}  // namespace

LowPass::LowPass(const ImageView& image, int lines, const PerturbKernels& kernels)
    : values_(3 * image.width) {
  const Size reduced = reduced_size({image.height, image.width}, lines);
  // Enlarging is horizontal first in every order of the passes.
  const Pixels narrow = resize(image, reduced, kernels);
  const Pixels wide = resize(narrow.view, {reduced.height, image.width}, kernels);
  plan_ = find_cpu_plan(lanczos_geometry({image.height, image.width}), reduced.height, image.width,
                        resample_kernels_named(kernels.name));
  const int taps = plan_->kernels->taps_per_group;
  const int positions = round_up(values_, kPositionBlock);
  group_bytes_ = static_cast<std::size_t>(positions) * taps;
  const int groups = (reduced.height + taps - 1) / taps;
  row_groups_.resize(group_bytes_ * groups);
  for (int g = 0; g < groups; ++g) {
    const std::uint8_t* rows[kMaxTapsPerGroup];
    for (int t = 0; t < taps; ++t) {  // rows past the last repeat it, their weights are zero
      rows[t] =
          wide.view.pixels + std::min(g * taps + t, reduced.height - 1) * wide.view.row_stride;
    }
    plan_->kernels->interleave_rows(rows, values_, row_groups_.data() + group_bytes_ * g);
  }
}

void LowPass::write_row(int y, std::uint8_t* out) const {
  static thread_local std::vector<const std::uint8_t*> window;
  static thread_local std::vector<std::uint8_t> levels;
  const PackedAxis& axis = plan_->rows;
  const ResampleKernels& kernels = *plan_->kernels;
  const PackedFilter& filter = axis.filters[y];
  window.resize(filter.groups);
  for (int g = 0; g < filter.groups; ++g) {
    window[g] = row_groups_.data() + group_bytes_ * (axis.first_group[y] + g);
  }
  const int positions = round_up(values_, kPositionBlock);
  levels.resize(positions);
  kernels.filter_rows(window.data(), filter, axis.coefficient_bits, positions, levels.data());
  std::memcpy(out, levels.data(), values_);
}

}  // namespace vrs
