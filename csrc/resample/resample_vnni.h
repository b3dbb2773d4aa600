// The inner loops of processors with VNNI, for registers of any width: uint8 levels times int8
// digits, four taps a lane.
//
// A 22-bit weight is split into balanced digits, k = d2 * 65536 + d1 * 256 + d0, each an int8:
// weights sum to one and negative lobes are shallow, so |k| stays under 1.98 * 2^22 and d2 fits.
// Sums of products wrap around modulo 2^32, and the true sum fits an int32. Weights that fit two
// digits take a third less work: the narrow set.
//
// `Vector` names an instruction set's register and operations. Everything here is a template of it:
// if two sets shared a function, the linker could take the version of the wrong set.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "contract/pixel_ops.h"
#include "resample_kernels.h"

namespace vrs {

template <typename Vector, int digits>
struct VnniLoops {
  using Register = typename Vector::Register;

  static constexpr int kTaps = 4;
  static constexpr int kWide = 3, kNarrow = 2;  // digits of a weight
  static constexpr int kLanes = sizeof(Register) / 4;
  static constexpr int kRows = kLanes;
  static constexpr int kChannels = 3;

  static void encode_group(const std::int32_t* weights, std::int32_t* words) {
    std::int8_t digit[digits][kTaps];
    for (int t = 0; t < kTaps; ++t) {
      std::int32_t rest = weights[t];
      for (int d = 0; d < digits; ++d) {
        digit[d][t] = static_cast<std::int8_t>(rest & 0xFF);
        rest = (rest - digit[d][t]) / 256;  // exact
      }
    }
    std::memcpy(words, digit, sizeof(digit));
  }

  // The sums of several registers' lanes, which share their weights. Each register has a sum of
  // products with the first digits, one with the second digits, and so on.
  template <int registers>
  struct Sums {
    Register of[registers][digits];
  };

  template <int registers>
  static Sums<registers> start(int coefficient_bits) {
    Sums<registers> sums;
    for (int r = 0; r < registers; ++r) {
      sums.of[r][0] = Vector::set_i32(rounding_bias(coefficient_bits));
      for (int d = 1; d < digits; ++d) sums.of[r][d] = Vector::set_i32(0);
    }
    return sums;
  }

  // Adds groups [begin, end), using `count` digits of their weights; load(group, register) gives
  // the levels. Sums are passed by value: GCC 12 keeps arrays behind a reference in memory.
  template <int count, int registers, typename Load>
  static Sums<registers> add_groups(Sums<registers> sums, const std::int32_t* words, int begin,
                                    int end, Load load) {
    for (int g = begin; g < end; ++g) {
      Register weights[count];
      for (int d = 0; d < count; ++d) weights[d] = Vector::set_i32(words[g * digits + d]);
      for (int r = 0; r < registers; ++r) {
        const Register levels = load(g, r);
        for (int d = 0; d < count; ++d) {
          sums.of[r][d] = Vector::add_products(sums.of[r][d], levels, weights[d]);
        }
      }
    }
    return sums;
  }

  // Not clamped: Vector::pack_levels does that.
  static Register levels_of(const Register* sums, __m128i coefficient_bits) {
    Register sum = Vector::add_i32(Vector::template shift_left<8>(sums[1]), sums[0]);
    if (digits == kWide) {
      sum = Vector::add_i32(Vector::template shift_left<16>(sums[digits - 1]), sum);
    }
    return Vector::shift_right(sum, coefficient_bits);
  }

  // One output column of all rows of a strip: a register a channel, not clamped.
  static void filter_one_column(const std::int32_t* strip, const PackedAxis& axis, int column,
                                Register* levels) {
    const std::int32_t* cells =
        strip + static_cast<std::ptrdiff_t>(axis.first_group[column]) * kChannels * kRows;
    const auto load = [cells](int group, int channel) {
      return Vector::load(cells + (group * kChannels + channel) * kRows);
    };
    const PackedFilter& filter = axis.filters[column];
    auto sums = start<kChannels>(axis.coefficient_bits);
    if (digits == kWide) {
      sums = add_groups<kNarrow>(sums, filter.words, 0, filter.wide_begin, load);
      sums = add_groups<digits>(sums, filter.words, filter.wide_begin, filter.wide_end, load);
      sums = add_groups<kNarrow>(sums, filter.words, filter.wide_end, filter.groups, load);
    } else {
      sums = add_groups<digits>(sums, filter.words, 0, filter.groups, load);
    }
    const __m128i shift = _mm_cvtsi32_si128(axis.coefficient_bits);
    for (int c = 0; c < kChannels; ++c) levels[c] = levels_of(sums.of[c], shift);
  }

  // Four columns at a time: 128 bits of packed levels are a row group's four positions. After the
  // last column, that column is repeated.
  static void filter_columns(const std::int32_t* strip, const PackedAxis& axis, int plane_stride,
                             std::uint8_t* const* row_groups) {
    const int last = axis.outputs - 1;
    const auto at_most_last = [last](int column) { return column < last ? column : last; };
    for (int begin = 0; begin <= last; begin += 4) {
      Register first[kChannels], second[kChannels], third[kChannels], fourth[kChannels];
      filter_one_column(strip, axis, begin, first);
      filter_one_column(strip, axis, at_most_last(begin + 1), second);
      filter_one_column(strip, axis, at_most_last(begin + 2), third);
      filter_one_column(strip, axis, at_most_last(begin + 3), fourth);
      for (int c = 0; c < kChannels; ++c) {
        const std::ptrdiff_t position = static_cast<std::ptrdiff_t>(c) * plane_stride + begin;
        Vector::store_quarters(Vector::pack_levels(first[c], second[c], third[c], fourth[c]),
                               row_groups, position * kTaps);
      }
    }
  }

  static void interleave_rows(const std::uint8_t* const* rows, int positions,
                              std::uint8_t* row_group) {
    const auto load = [](const std::uint8_t* bytes) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
    };
    const auto store = [](std::uint8_t* bytes, __m128i value) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes), value);
    };
    int i = 0;
    for (; i + 16 <= positions; i += 16) {
      const __m128i a = load(rows[0] + i), b = load(rows[1] + i);
      const __m128i c = load(rows[2] + i), d = load(rows[3] + i);
      const __m128i low_ab = _mm_unpacklo_epi8(a, b), high_ab = _mm_unpackhi_epi8(a, b);
      const __m128i low_cd = _mm_unpacklo_epi8(c, d), high_cd = _mm_unpackhi_epi8(c, d);
      std::uint8_t* target = row_group + static_cast<std::ptrdiff_t>(i) * kTaps;
      store(target, _mm_unpacklo_epi16(low_ab, low_cd));
      store(target + 16, _mm_unpackhi_epi16(low_ab, low_cd));
      store(target + 32, _mm_unpacklo_epi16(high_ab, high_cd));
      store(target + 48, _mm_unpackhi_epi16(high_ab, high_cd));
    }
    for (; i < positions; ++i) {
      for (int t = 0; t < kTaps; ++t) row_group[i * kTaps + t] = rows[t][i];
    }
  }

  template <int registers>
  static void filter_positions(const std::uint8_t* const* row_groups, const PackedFilter& filter,
                               int coefficient_bits, int begin, std::uint8_t* levels) {
    const auto load = [=](int group, int r) {
      return Vector::load(row_groups[group] +
                          (static_cast<std::ptrdiff_t>(begin) + r * kLanes) * kTaps);
    };
    // All digits of all groups: a row's weights change too often for three loops to predict.
    const auto sums = add_groups<digits>(start<registers>(coefficient_bits), filter.words, 0,
                                         filter.groups, load);
    const __m128i shift = _mm_cvtsi32_si128(coefficient_bits);
    Register parts[registers];
    for (int r = 0; r < registers; ++r) parts[r] = levels_of(sums.of[r], shift);
    const Register packed = Vector::in_order(
        Vector::pack_levels(parts[0], parts[1], parts[registers - 2], parts[registers - 1]));
    if (registers == 4) {
      Vector::store(levels + begin, packed);
    } else {
      Vector::store_half(levels + begin, packed);
    }
  }

  static void filter_rows(const std::uint8_t* const* row_groups, const PackedFilter& filter,
                          int coefficient_bits, int positions, std::uint8_t* levels) {
    constexpr int kStep = 4 * kLanes;
    static_assert(kStep == kPositionBlock || kStep == 2 * kPositionBlock);
    int begin = 0;
    for (; begin + kStep <= positions; begin += kStep) {
      filter_positions<4>(row_groups, filter, coefficient_bits, begin, levels);
    }
    if (begin < positions) {
      filter_positions<2>(row_groups, filter, coefficient_bits, begin, levels);
    }
  }
};

// Packs the last pixels of a strip's rows, under 16 bytes a row, from a padded copy: one step of
// four pixels or two, each by pack(rows, offset, cells).
template <typename Vector, int channels, typename Pack>
void pack_tail(const std::uint8_t* const* rows, std::ptrdiff_t offset, std::ptrdiff_t bytes,
               std::int32_t* strip, const Pack& pack) {
  using Loops = VnniLoops<Vector, 3>;
  alignas(16) std::uint8_t tail[Loops::kRows][2 * 16] = {};
  const std::uint8_t* tails[Loops::kRows];
  for (int r = 0; r < Loops::kRows; ++r) {
    std::memcpy(tail[r], rows[r] + offset, bytes - offset);
    tails[r] = tail[r];
  }
  constexpr std::ptrdiff_t kStep = Loops::kTaps * channels;
  for (std::ptrdiff_t done = 0; done < bytes - offset; done += kStep) {
    pack(tails, done, strip);
    strip += Loops::kChannels * Loops::kRows;
  }
}

// The set of kernels of a Vector, which also has pack_strip, look_up and look_up_bfloat16.
template <typename Vector, int digits>
constexpr ResampleKernels vnni_kernels(const ResampleKernels* narrow) {
  using Loops = VnniLoops<Vector, digits>;
  constexpr std::int32_t kLargestOfTwoDigits = 127 * 256 + 127;
  return {Vector::kName,
          narrow,
          digits == Loops::kNarrow ? kLargestOfTwoDigits : std::numeric_limits<std::int32_t>::max(),
          Loops::kTaps,
          digits,
          Loops::kRows,
          Loops::encode_group,
          Vector::pack_strip,
          Loops::filter_columns,
          Loops::interleave_rows,
          Loops::filter_rows,
          Vector::look_up,
          Vector::look_up_bfloat16};
}

}  // namespace vrs
