// Shrinks and enlarges whole images to levels.
#include "low_pass.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "cpu_plan.h"
#include "perturb.h"
#include "resample_band.h"
#include "row_source.h"

namespace vrs {
namespace {

Geometry lanczos_to(int height, int width) {
  Geometry geometry;
  geometry.resize = ResizeMode::exact;
  geometry.resize_height = geometry.crop_height = height;
  geometry.resize_width = geometry.crop_width = width;
  geometry.filter = Filter::lanczos;
  for (LevelTable& table : geometry.tables) {
    for (int level = 0; level < 256; ++level) table.values[level] = static_cast<float>(level);
  }
  return geometry;
}

std::vector<std::uint8_t> resize(const ImageView& image, int height, int width) {
  const Geometry geometry = lanczos_to(height, width);
  const ResampleKernels& kernels = *available_kernels().front();  // all sets give the same bits
  const RowSource source(PerturbedImage(image, {}, perturb_kernels_for("auto")), geometry);
  const auto plan = find_cpu_plan(geometry, image.height, image.width, kernels);
  const std::size_t plane = static_cast<std::size_t>(height) * width;
  std::vector<float> planes(3 * plane);
  resample_band(*plan, source, geometry, OutputType::float32, 0, height, planes.data());
  std::vector<std::uint8_t> levels(3 * plane);
  for (std::size_t i = 0; i < plane; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      levels[3 * i + c] = static_cast<std::uint8_t>(planes[c * plane + i]);
    }
  }
  return levels;
}

int round_to_int(double value) {
  return static_cast<int>(std::floor(value + 0.5));
}

}  // namespace

std::vector<std::uint8_t> low_pass(const ImageView& image, int lines) {
  const int shorter = std::min(image.height, image.width);
  if (lines >= shorter) return {};
  const double share = static_cast<double>(lines) / shorter;
  const int height = round_to_int(image.height * share), width = round_to_int(image.width * share);
  const std::vector<std::uint8_t> small = resize(image, height, width);
  return resize({small.data(), height, width, 3, std::int64_t{3} * width}, image.height,
                image.width);
}

}  // namespace vrs
