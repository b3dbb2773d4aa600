// Detail: details finer than some measure are lost.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "low_pass.h"
#include "perturbation_parts.h"

#define VRS_DETAIL_KINDS(KIND)      \
  KIND(gaussian_blur, GaussianBlur) \
  KIND(low_pass, LowPassed)         \
  KIND(pixelate, Pixelate)

namespace vrs {

// On the device each kind has its own kernel, which runs first; the fused kernel reads its output.
struct Detail {
  static constexpr int kCost = 4;
  static constexpr bool kIsTurned = false;
  static constexpr bool kShowsImage = true;
  static constexpr bool kIsMoving = false;
  static constexpr bool kChangesLevels = false;

  VRS_DEVICE static void change_run(const DevicePerturbation&, const BlockTables&, int, int,
                                    Pixel (&)[kRunPixels]) {}
};

// One weight per tap, symmetric about the middle; the weights sum to 256.
inline std::vector<std::uint16_t> gaussian_weights(double sigma) {
  constexpr int kUnit = 256;  // 255 * 256 still fits the 16-bit sums of the blur
  const int reach = static_cast<int>(std::ceil(3 * sigma));
  std::vector<double> exact;
  double sum = 0;
  for (int i = 0; i <= reach; ++i) {
    exact.push_back(std::exp(-0.5 * i * i / (sigma * sigma)));
    sum += i == 0 ? exact[i] : 2 * exact[i];
  }
  std::vector<std::uint16_t> outer;
  int centre = kUnit;
  for (int i = 1; i <= reach; ++i) {
    const auto weight = static_cast<std::uint16_t>(std::floor(exact[i] / sum * kUnit + 0.5));
    if (weight == 0) break;
    outer.push_back(weight);
    centre -= 2 * weight;
  }
  std::vector<std::uint16_t> weights(outer.rbegin(), outer.rend());
  weights.push_back(static_cast<std::uint16_t>(centre));
  weights.insert(weights.end(), outer.begin(), outer.end());
  return weights;
}

// Rows, then columns, by Gaussian weights of 1/256 out to 3 sigma, levels rounded in between;
// beyond the edge the edge's pixels repeat.
struct GaussianBlur : Detail {
  static constexpr PerturbationDefinition kDefinition = {PerturbationKind::gaussian_blur,
                                                         "gaussian_blur",
                                                         1,
                                                         {{{"sigma", 0.1, kMaxBlurSigma, false}}}};
  using Weights = std::vector<std::uint16_t>;  // one per tap

  static Weights derive(const HostSource& source) {
    return gaussian_weights(source.perturbation.parameters[0]);
  }
  static void lay_out(const Perturbation& perturbation, DeviceWriter& writer) {
    writer.prepare_blur(
        writer.keep(perturbation, [&] { return gaussian_weights(perturbation.parameters[0]); }));
  }

  // Rows, then columns. The sources of all rows are packed once. Their distance is an odd number of
  // cache lines: with a power of two, all rows would share a few places of the innermost cache.
  static void write_rows(const HostSource& source, const Weights& weights, int y, int count,
                         std::uint8_t* out, std::ptrdiff_t pitch) {
    static thread_local std::vector<std::uint8_t> packed, padded;
    constexpr std::ptrdiff_t kLine = 64;
    const PerturbKernels& kernels = source.kernels;
    const int taps = static_cast<int>(weights.size());
    const int reach = taps / 2;
    const int width = source.image.width, values = 3 * width;
    const std::ptrdiff_t packed_pitch = ((values + kLine - 1) / kLine | 1) * kLine;
    const int first = std::max(y - reach, 0);
    const int last = std::min(y + count - 1 + reach, source.image.height - 1);
    packed.resize(packed_pitch * (last - first + 1));
    for (int row = first; row <= last; ++row) {
      copy_row(source, row, packed.data() + packed_pitch * (row - first));
    }
    const auto packed_row = [&](int row) {
      return packed.data() + packed_pitch * (std::clamp(row, first, last) - first);
    };
    padded.resize(2 * std::size_t{3} * (width + 2 * reach));
    std::uint8_t* const lines[2] = {padded.data(), padded.data() + padded.size() / 2};
    std::array<const std::uint8_t*, kMaxBlurTaps + 1> rows{};
    for (int i = 0; i < count; i += 2) {
      for (int t = 0; t <= taps; ++t) rows[t] = packed_row(y + i + t - reach);
      const int pair = std::min(count - i, 2);
      if (pair == 2) {
        kernels.weigh_two_rows(rows.data(), weights.data(), taps, values, lines[0] + 3 * reach,
                               lines[1] + 3 * reach);
      } else {
        kernels.weigh_rows(rows.data(), weights.data(), taps, values, lines[0] + 3 * reach);
      }
      for (int k = 0; k < pair; ++k, out += pitch) {
        blur_line(kernels, weights, lines[k], values, out);
      }
    }
  }

  // `line` holds the row's values from 3 * reach on; this fills the places before and after with
  // the edge's pixels.
  static void blur_line(const PerturbKernels& kernels, const Weights& weights, std::uint8_t* line,
                        int values, std::uint8_t* out) {
    const int taps = static_cast<int>(weights.size()), reach = taps / 2;
    std::uint8_t* inside = line + std::ptrdiff_t{3} * reach;
    for (int i = 1; i <= reach; ++i) {
      std::copy_n(inside, 3, inside - 3 * i);
      std::copy_n(inside + values - 3, 3, inside + values - 3 + 3 * i);
    }
    std::array<const std::uint8_t*, kMaxBlurTaps> rows{};
    for (int t = 0; t < taps; ++t) rows[t] = line + std::ptrdiff_t{3} * t;
    kernels.weigh_rows(rows.data(), weights.data(), taps, values, out);
  }
};

// The image is reduced to `lines` pixels along the shorter edge s and round(l * (lines / s)) along
// the longer edge l, and enlarged again: Filter::lanczos, Arithmetic::pillow, PassOrder::pillow13.
// It does not change if lines >= s.
struct LowPassed : Detail, RowByRow<LowPassed> {
  static constexpr PerturbationDefinition kDefinition = {
      PerturbationKind::low_pass, "low_pass", 1, {{{"lines", 1, kMaxEdge, true}}}};
  using Reduced = std::unique_ptr<const LowPass>;  // null if without effect

  static bool has_effect(const Perturbation& perturbation, const Size& image) {
    return perturbation.parameters[0] < std::min(image.height, image.width);
  }
  static Reduced derive(const HostSource& source) {
    const ImageView& image = source.image;
    if (!has_effect(source.perturbation, {image.height, image.width})) return nullptr;
    const int lines = static_cast<int>(source.perturbation.parameters[0]);
    return std::make_unique<const LowPass>(image, lines, source.kernels);
  }
  static void write_row(const HostSource& source, const Reduced& reduced, int y,
                        std::uint8_t* out) {
    return reduced ? reduced->write_row(y, out) : copy_row(source, y, out);
  }
  static void lay_out(const Perturbation& perturbation, DeviceWriter& writer) {
    if (!has_effect(perturbation, writer.image_size())) return;
    writer.prepare_low_pass(static_cast<int>(perturbation.parameters[0]));
  }
};

// Mean colours of the cells, row by row, packed RGB.
inline std::vector<std::uint8_t> average_cells(const ImageView& image, int edge) {
  const int rows = (image.height + edge - 1) / edge;
  const int columns = (image.width + edge - 1) / edge;
  std::vector<std::uint8_t> cells(std::size_t{3} * rows * columns);
  std::uint8_t* cell = cells.data();
  std::vector<std::int64_t> sums;
  for (int row = 0; row < rows; ++row) {
    sums.assign(std::size_t{3} * columns, 0);
    const int end = std::min(image.height, (row + 1) * edge);
    for (int y = row * edge; y < end; ++y) {
      const std::uint8_t* pixel = row_of(image, y);
      for (int column = 0; column < columns; ++column) {
        const int pixels = std::min(edge, image.width - column * edge);
        std::int64_t* sum = sums.data() + 3 * column;
        for (int x = 0; x < pixels; ++x, pixel += image.channels) {
          for (int c = 0; c < 3; ++c) sum[c] += pixel[c];
        }
      }
    }
    for (int i = 0; i < 3 * columns; ++i) {
      const std::int64_t width = std::min(image.width - i / 3 * edge, edge);
      const std::int64_t pixels = width * (end - row * edge);
      *cell++ = static_cast<std::uint8_t>((2 * sums[i] + pixels) / (2 * pixels));
    }
  }
  return cells;
}

// Cells of edge x edge pixels, counted from the top left corner, take their mean colour.
struct Pixelate : Detail, RowByRow<Pixelate> {
  static constexpr PerturbationDefinition kDefinition = {
      PerturbationKind::pixelate, "pixelate", 1, {{{"edge", 1, kMaxEdge, true}}}};
  static constexpr bool kIsMoving = true;
  using Cells = std::vector<std::uint8_t>;

  static Cells derive(const HostSource& source) {
    return average_cells(source.image, static_cast<int>(source.perturbation.parameters[0]));
  }
  static void write_row(const HostSource& source, const Cells& cells, int y, std::uint8_t* out) {
    const int width = source.image.width;
    const int edge = static_cast<int>(source.perturbation.parameters[0]);
    const int columns = (width + edge - 1) / edge;
    const std::uint8_t* cell = cells.data() + static_cast<std::ptrdiff_t>(y / edge) * columns * 3;
    for (int begin = 0; begin < width; begin += edge, cell += 3) {
      fill_pixels({cell[0], cell[1], cell[2]}, std::min(edge, width - begin), out + 3 * begin);
    }
  }

  static void lay_out(const Perturbation& perturbation, DeviceWriter& writer) {
    const int edge = static_cast<int>(perturbation.parameters[0]);
    writer.change().patch_height = writer.change().patch_width = make_divisor(edge);
    writer.prepare_cells(edge);
  }
  // The image on the device is the image of the cells.
  VRS_DEVICE static Place find_source(const DeviceImage&, const DevicePerturbation& change, int y,
                                      int x) {
    return {divide(y, change.patch_height), divide(x, change.patch_width)};
  }
  VRS_DEVICE static bool keeps_run(const DeviceImage&, const DevicePerturbation&, int, int) {
    return false;
  }
};

}  // namespace vrs
