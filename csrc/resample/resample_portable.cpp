// The inner loops in plain C++, for every processor.
#include <algorithm>
#include <cstddef>
#include <limits>

#include "contract/pixel_ops.h"
#include "resample_kernels.h"

namespace vrs {
namespace {

constexpr int kTaps = 2;
constexpr int kRows = 8;

void encode_group(const std::int32_t* weights, std::int32_t* words) {
  std::copy_n(weights, kTaps, words);
}

void pack_strip(const std::uint8_t* const* rows, int channels, int pixels, std::int32_t* strip) {
  for (int x = 0; x < pixels; x += kTaps, strip += 3 * kRows) {
    const bool has_second = x + 1 < pixels;
    for (int c = 0; c < 3; ++c) {
      for (int r = 0; r < kRows; ++r) {
        const std::uint8_t* pixel = rows[r] + static_cast<std::ptrdiff_t>(x) * channels + c;
        strip[c * kRows + r] = pixel[0] | (has_second ? pixel[channels] << 16 : 0);
      }
    }
  }
}

void filter_columns(const std::int32_t* strip, const PackedAxis& axis, int plane_stride,
                    std::uint8_t* const* row_groups) {
  for (int x = 0; x < axis.outputs; ++x) {
    const PackedFilter& filter = axis.filters[x];
    const std::int32_t* cells =
        strip + static_cast<std::ptrdiff_t>(axis.first_group[x]) * 3 * kRows;
    std::int32_t sums[3 * kRows];
    std::fill_n(sums, 3 * kRows, rounding_bias(axis.coefficient_bits));
    const std::int32_t* words = filter.words;
    for (int g = 0; g < filter.groups; ++g, cells += 3 * kRows) {
      for (int i = 0; i < 3 * kRows; ++i) {
        sums[i] += (cells[i] & 0xFFFF) * words[2 * g] + (cells[i] >> 16) * words[2 * g + 1];
      }
    }
    for (int i = 0; i < 3 * kRows; ++i) {
      const int row = i % kRows;
      const std::ptrdiff_t position = i / kRows * plane_stride + x;
      row_groups[row / kTaps][position * kTaps + row % kTaps] =
          level_from_accumulator(sums[i], axis.coefficient_bits);
    }
  }
}

void interleave_rows(const std::uint8_t* const* rows, int positions, std::uint8_t* row_group) {
  for (int i = 0; i < positions; ++i) {
    for (int t = 0; t < kTaps; ++t) row_group[i * kTaps + t] = rows[t][i];
  }
}

void filter_rows(const std::uint8_t* const* row_groups, const PackedFilter& filter,
                 int coefficient_bits, int positions, std::uint8_t* levels) {
  for (int begin = 0; begin < positions; begin += kPositionBlock) {
    std::int32_t sums[kPositionBlock];
    std::fill_n(sums, kPositionBlock, rounding_bias(coefficient_bits));
    const std::int32_t* words = filter.words;
    for (int g = 0; g < filter.groups; ++g) {
      const std::uint8_t* taps = row_groups[g] + static_cast<std::ptrdiff_t>(begin) * kTaps;
      for (int i = 0; i < kPositionBlock; ++i) {
        sums[i] += taps[kTaps * i] * words[2 * g] + taps[kTaps * i + 1] * words[2 * g + 1];
      }
    }
    std::transform(sums, sums + kPositionBlock, levels + begin,
                   [coefficient_bits](std::int32_t sum) {
                     return level_from_accumulator(sum, coefficient_bits);
                   });
  }
}

void look_up(const std::uint8_t* levels, int count, const LevelTable& table, float* out) {
  for (int i = 0; i < count; ++i) out[i] = table.values[levels[i]];
}

void look_up_bfloat16(const std::uint8_t* levels, int count, const LevelTable& table,
                      std::uint16_t* out) {
  for (int i = 0; i < count; ++i) out[i] = table.bfloat16[levels[i]];
}

}  // namespace

const ResampleKernels& portable_kernels() {
  static constexpr ResampleKernels kernels = {
      "portable",      nullptr,     std::numeric_limits<std::int32_t>::max(),
      kTaps,           kTaps,       kRows,
      encode_group,    pack_strip,  filter_columns,
      interleave_rows, filter_rows, look_up,
      look_up_bfloat16};
  return kernels;
}

}  // namespace vrs
