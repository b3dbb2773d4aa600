// The inner loops for AVX-512 with VNNI: uint8 levels times int8 digits, four taps a lane.
//
// A 22-bit weight is split into balanced digits, k = d2 * 65536 + d1 * 256 + d0, each an int8:
// weights sum to one and negative lobes are shallow, so |k| stays under 1.98 * 2^22 and d2 fits.
// Sums of products wrap around modulo 2^32, and the true sum fits an int32. Weights that fit two
// digits take a third less work: the narrow set.
#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>

#include "pixel_ops.h"
#include "resample_kernels.h"

namespace vrs {
namespace {

constexpr int kTaps = 4;
constexpr int kWide = 3, kNarrow = 2;  // digits of a weight
constexpr int kRows = 16;
constexpr int kChannels = 3;

template <int count>
void encode_group(const std::int32_t* weights, std::int32_t* words) {
  std::int8_t digits[count][kTaps];
  for (int t = 0; t < kTaps; ++t) {
    std::int32_t rest = weights[t];
    for (int d = 0; d < count; ++d) {
      digits[d][t] = static_cast<std::int8_t>(rest & 0xFF);
      rest = (rest - digits[d][t]) / 256;  // exact
    }
  }
  std::memcpy(words, digits, sizeof(digits));
}

__m128i load_16(const void* source) {
  return _mm_loadu_si128(static_cast<const __m128i*>(source));
}

void store_16(void* target, __m128i value) {
  _mm_storeu_si128(static_cast<__m128i*>(target), value);
}

// Adds four products to each lane's sum: _mm512_dpbusd_epi32, around which GCC 12 copies the sum.
inline __m512i add_products(__m512i sum, __m512i levels, __m512i weights) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(levels), "v"(weights));
  return sum;
}

// The sums of one lane's products with each digit of the weights.
template <int digits>
struct DigitSums {
  __m512i digit[digits];

  void start(int coefficient_bits) {
    digit[0] = _mm512_set1_epi32(rounding_bias(coefficient_bits));
    for (int d = 1; d < digits; ++d) digit[d] = _mm512_setzero_si512();
  }

  // Not clamped: pack_levels does that.
  __m512i levels(__m128i coefficient_bits) const {
    __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(digit[1], 8), digit[0]);
    if (digits == kWide) {
      sum = _mm512_add_epi32(_mm512_slli_epi32(digit[digits - 1], 16), sum);
    }
    return _mm512_sra_epi32(sum, coefficient_bits);
  }
};

// Sixteen int32 levels each -> bytes, clamped: in each 128-bit quarter q the levels 4q .. 4q + 3 of
// a, then those of b, c and d.
inline __m512i pack_levels(__m512i a, __m512i b, __m512i c, __m512i d) {
  return _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
}

// The sums of several lanes' registers, which share their weights.
template <int digits, int registers>
struct Sums {
  DigitSums<digits> of[registers];
};

template <int digits, int registers>
inline Sums<digits, registers> start_sums(int coefficient_bits) {
  Sums<digits, registers> sums;
  for (DigitSums<digits>& each : sums.of) each.start(coefficient_bits);
  return sums;
}

// Adds groups [begin, end), of whose weights `count` digits matter; load(group, register) gives the
// levels. By value, as GCC 12 keeps arrays that it has a reference to in memory.
template <int count, int digits, int registers, typename Load>
inline Sums<digits, registers> add_groups(Sums<digits, registers> sums, const std::int32_t* words,
                                          int begin, int end, Load load) {
  for (int g = begin; g < end; ++g) {
    __m512i weights[count];
    for (int d = 0; d < count; ++d) weights[d] = _mm512_set1_epi32(words[g * digits + d]);
    for (int r = 0; r < registers; ++r) {
      const __m512i levels = load(g, r);
      for (int d = 0; d < count; ++d) {
        sums.of[r].digit[d] = add_products(sums.of[r].digit[d], levels, weights[d]);
      }
    }
  }
  return sums;
}

// Four pixels of each of sixteen rows -> one column group. Reads 16 bytes of each row.
template <int channels>
inline void pack_four_pixels(const std::uint8_t* const* rows, std::ptrdiff_t offset,
                             std::int32_t* strip) {
  constexpr int n = channels;
  const __m512i planar =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, n, 2 * n, 3 * n, 1, n + 1, 2 * n + 1, 3 * n + 1, 2,
                                           n + 2, 2 * n + 2, 3 * n + 2, -1, -1, -1, -1));
  __m512i quads[4];  // per 128-bit quarter q one row, r + 4 * q: four levels of red, green, blue
  for (int r = 0; r < 4; ++r) {
    __m512i four = _mm512_castsi128_si512(load_16(rows[r] + offset));
    four = _mm512_inserti32x4(four, load_16(rows[r + 4] + offset), 1);
    four = _mm512_inserti32x4(four, load_16(rows[r + 8] + offset), 2);
    four = _mm512_inserti32x4(four, load_16(rows[r + 12] + offset), 3);
    quads[r] = _mm512_shuffle_epi8(four, planar);
  }
  const __m512i low01 = _mm512_unpacklo_epi32(quads[0], quads[1]);
  const __m512i low23 = _mm512_unpacklo_epi32(quads[2], quads[3]);
  const __m512i high01 = _mm512_unpackhi_epi32(quads[0], quads[1]);
  const __m512i high23 = _mm512_unpackhi_epi32(quads[2], quads[3]);
  _mm512_storeu_si512(strip, _mm512_unpacklo_epi64(low01, low23));
  _mm512_storeu_si512(strip + kRows, _mm512_unpackhi_epi64(low01, low23));
  _mm512_storeu_si512(strip + 2 * kRows, _mm512_unpacklo_epi64(high01, high23));
}

// Sixteen pixels of each of eight rows -> four column groups' halves. Reads 64 bytes of each row.
template <int channels>
inline void pack_sixteen_pixels(const std::uint8_t* const* rows, std::ptrdiff_t offset,
                                std::int32_t* strip) {
  constexpr int n = channels;
  const __m512i four_pixels_a_quarter =
      _mm512_setr_epi32(0, 1, 2, 3, n, n + 1, n + 2, n + 3, 2 * n, 2 * n + 1, 2 * n + 2, 2 * n + 3,
                        3 * n, 3 * n + 1, 3 * n + 2, (3 * n + 3) % 16);
  const __m512i planar =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, n, 2 * n, 3 * n, 1, n + 1, 2 * n + 1, 3 * n + 1, 2,
                                           n + 2, 2 * n + 2, 3 * n + 2, -1, -1, -1, -1));
  __m512i four_rows[kChannels][2];  // a quarter is a column group's cells of these four rows
  for (int half = 0; half < 2; ++half) {
    __m512i row[4];
    for (int r = 0; r < 4; ++r) {
      row[r] = _mm512_loadu_si512(rows[4 * half + r] + offset);
      if (n != 4) row[r] = _mm512_permutexvar_epi32(four_pixels_a_quarter, row[r]);
      row[r] = _mm512_shuffle_epi8(row[r], planar);
    }
    const __m512i low01 = _mm512_unpacklo_epi32(row[0], row[1]);
    const __m512i low23 = _mm512_unpacklo_epi32(row[2], row[3]);
    const __m512i high01 = _mm512_unpackhi_epi32(row[0], row[1]);
    const __m512i high23 = _mm512_unpackhi_epi32(row[2], row[3]);
    four_rows[0][half] = _mm512_unpacklo_epi64(low01, low23);
    four_rows[1][half] = _mm512_unpackhi_epi64(low01, low23);
    four_rows[2][half] = _mm512_unpacklo_epi64(high01, high23);
  }
  const __m512i first_groups = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i last_groups = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  for (int c = 0; c < kChannels; ++c) {
    const __m512i pairs[2] = {
        _mm512_permutex2var_epi64(four_rows[c][0], first_groups, four_rows[c][1]),
        _mm512_permutex2var_epi64(four_rows[c][0], last_groups, four_rows[c][1])};
    for (int g = 0; g < 4; ++g) {
      const __m256i cells = g % 2 == 0 ? _mm512_castsi512_si256(pairs[g / 2])
                                       : _mm512_extracti64x4_epi64(pairs[g / 2], 1);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(strip + (g * kChannels + c) * kRows), cells);
    }
  }
}

template <int channels>
void pack_strip_of(const std::uint8_t* const* rows, int pixels, std::int32_t* strip) {
  const std::ptrdiff_t bytes = static_cast<std::ptrdiff_t>(pixels) * channels;
  constexpr std::ptrdiff_t kStep = kTaps * channels;
  // Eight rows at a time: those of images 1024 RGBX pixels wide lie 4096 bytes apart, and share the
  // eight places that the innermost cache has for them.
  std::ptrdiff_t offset = 0;
  for (int half = 0; half < 2; ++half) {
    std::int32_t* cells = strip + half * kRows / 2;
    for (offset = 0; offset + 64 <= bytes; offset += 4 * kStep, cells += 4 * kChannels * kRows) {
      pack_sixteen_pixels<channels>(rows + half * kRows / 2, offset, cells);
    }
  }
  strip += offset / kStep * kChannels * kRows;
  for (; offset + 16 <= bytes; offset += kStep, strip += kChannels * kRows) {
    pack_four_pixels<channels>(rows, offset, strip);
  }
  // Under 16 bytes a row are left, one step or two: from a padded copy.
  alignas(16) std::uint8_t tail[kRows][2 * 16] = {};
  const std::uint8_t* tails[kRows];
  for (int r = 0; r < kRows; ++r) {
    std::memcpy(tail[r], rows[r] + offset, bytes - offset);
    tails[r] = tail[r];
  }
  for (std::ptrdiff_t done = 0; done < bytes - offset; done += kStep) {
    pack_four_pixels<channels>(tails, done, strip);
    strip += kChannels * kRows;
  }
}

void pack_strip(const std::uint8_t* const* rows, int channels, int pixels, std::int32_t* strip) {
  channels == 3 ? pack_strip_of<3>(rows, pixels, strip) : pack_strip_of<4>(rows, pixels, strip);
}

// One output column of sixteen rows: a register a channel, not clamped.
template <int digits>
inline void filter_one_column(const std::int32_t* strip, const PackedAxis& axis, int column,
                              __m512i* levels) {
  const std::int32_t* cells =
      strip + static_cast<std::ptrdiff_t>(axis.first_group[column]) * kChannels * kRows;
  const auto load = [cells](int group, int channel) {
    return _mm512_loadu_si512(cells + (group * kChannels + channel) * kRows);
  };
  const PackedFilter& filter = axis.filters[column];
  auto sums = start_sums<digits, kChannels>(axis.coefficient_bits);
  if (digits == kWide) {
    sums = add_groups<kNarrow>(sums, filter.words, 0, filter.wide_begin, load);
    sums = add_groups<digits>(sums, filter.words, filter.wide_begin, filter.wide_end, load);
    sums = add_groups<kNarrow>(sums, filter.words, filter.wide_end, filter.groups, load);
  } else {
    sums = add_groups<digits>(sums, filter.words, 0, filter.groups, load);
  }
  const __m128i shift = _mm_cvtsi32_si128(axis.coefficient_bits);
  for (int c = 0; c < kChannels; ++c) levels[c] = sums.of[c].levels(shift);
}

// Four columns at a time: packed, a quarter of them is a row group's four positions. Beyond the
// last column it is repeated.
template <int digits>
void filter_columns(const std::int32_t* strip, const PackedAxis& axis, int plane_stride,
                    std::uint8_t* const* row_groups) {
  const int last = axis.outputs - 1;
  for (int begin = 0; begin <= last; begin += 4) {
    __m512i first[kChannels], second[kChannels], third[kChannels], fourth[kChannels];
    filter_one_column<digits>(strip, axis, begin, first);
    filter_one_column<digits>(strip, axis, std::min(begin + 1, last), second);
    filter_one_column<digits>(strip, axis, std::min(begin + 2, last), third);
    filter_one_column<digits>(strip, axis, std::min(begin + 3, last), fourth);
    for (int c = 0; c < kChannels; ++c) {
      const __m512i levels = pack_levels(first[c], second[c], third[c], fourth[c]);
      const std::ptrdiff_t position = static_cast<std::ptrdiff_t>(c) * plane_stride + begin;
      store_16(row_groups[0] + position * kTaps, _mm512_castsi512_si128(levels));
      store_16(row_groups[1] + position * kTaps, _mm512_extracti32x4_epi32(levels, 1));
      store_16(row_groups[2] + position * kTaps, _mm512_extracti32x4_epi32(levels, 2));
      store_16(row_groups[3] + position * kTaps, _mm512_extracti32x4_epi32(levels, 3));
    }
  }
}

void interleave_rows(const std::uint8_t* const* rows, int positions, std::uint8_t* row_group) {
  int i = 0;
  for (; i + 16 <= positions; i += 16) {
    const __m128i a = load_16(rows[0] + i), b = load_16(rows[1] + i);
    const __m128i c = load_16(rows[2] + i), d = load_16(rows[3] + i);
    const __m128i low_ab = _mm_unpacklo_epi8(a, b), high_ab = _mm_unpackhi_epi8(a, b);
    const __m128i low_cd = _mm_unpacklo_epi8(c, d), high_cd = _mm_unpackhi_epi8(c, d);
    std::uint8_t* target = row_group + static_cast<std::ptrdiff_t>(i) * kTaps;
    store_16(target, _mm_unpacklo_epi16(low_ab, low_cd));
    store_16(target + 16, _mm_unpackhi_epi16(low_ab, low_cd));
    store_16(target + 32, _mm_unpacklo_epi16(high_ab, high_cd));
    store_16(target + 48, _mm_unpackhi_epi16(high_ab, high_cd));
  }
  for (; i < positions; ++i) {
    for (int t = 0; t < kTaps; ++t) row_group[i * kTaps + t] = rows[t][i];
  }
}

constexpr int kLanes = 16;

template <int digits, int vectors>
inline void filter_positions(const std::uint8_t* const* row_groups, const PackedFilter& filter,
                             int coefficient_bits, int begin, std::uint8_t* levels) {
  const auto load = [=](int group, int vector) {
    return _mm512_loadu_si512(row_groups[group] +
                              (static_cast<std::ptrdiff_t>(begin) + vector * kLanes) * kTaps);
  };
  // All digits of all groups: a row's weights change too often for three loops to predict.
  const auto sums = add_groups<digits>(start_sums<digits, vectors>(coefficient_bits), filter.words,
                                       0, filter.groups, load);
  const __m128i shift = _mm_cvtsi32_si128(coefficient_bits);
  __m512i sixteen[vectors];
  for (int v = 0; v < vectors; ++v) sixteen[v] = sums.of[v].levels(shift);
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i packed = _mm512_permutexvar_epi32(
      order, pack_levels(sixteen[0], sixteen[1], sixteen[vectors - 2], sixteen[vectors - 1]));
  if (vectors == 4) {
    _mm512_storeu_si512(levels + begin, packed);
  } else {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(levels + begin), _mm512_castsi512_si256(packed));
  }
}

template <int digits>
void filter_rows(const std::uint8_t* const* row_groups, const PackedFilter& filter,
                 int coefficient_bits, int positions, std::uint8_t* levels) {
  static_assert(kPositionBlock == 2 * kLanes);
  int begin = 0;
  for (; begin + 2 * kPositionBlock <= positions; begin += 2 * kPositionBlock) {
    filter_positions<digits, 4>(row_groups, filter, coefficient_bits, begin, levels);
  }
  if (begin < positions) {
    filter_positions<digits, 2>(row_groups, filter, coefficient_bits, begin, levels);
  }
}

// As divide() of pixel_ops.h.
inline __m512 divide(__m512 a, __m512 b, __m512 reciprocal) {
  const __m512 quotient = _mm512_mul_ps(a, reciprocal);
  return _mm512_fmadd_ps(_mm512_fnmadd_ps(quotient, b, a), reciprocal, quotient);
}

// Calls `write(position, values)` for sixteen values at a time, as pixel_ops.h computes them, and
// `write_some(position, mask, values)` for the rest.
template <typename Write, typename WriteSome>
inline void compute_values(const std::uint8_t* levels, int count, const Normalisation& n,
                           Write write, WriteSome write_some) {
  const __m512 divisor = _mm512_set1_ps(n.divisor), per_divisor = _mm512_set1_ps(1 / n.divisor);
  const __m512 std = _mm512_set1_ps(n.std), per_std = _mm512_set1_ps(1 / n.std);
  const __m512 mean = _mm512_set1_ps(n.mean);
  const auto value_of = [&](__m128i bytes) {
    const __m512 values = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
    const __m512 centred = _mm512_sub_ps(divide(values, divisor, per_divisor), mean);
    return divide(centred, std, per_std);
  };
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) write(i, value_of(load_16(levels + i)));
  if (i == count) return;
  const auto mask = static_cast<__mmask16>((1U << (count - i)) - 1);
  write_some(i, mask, value_of(_mm_maskz_loadu_epi8(mask, levels + i)));
}

void look_up(const std::uint8_t* levels, int count, const LevelTable& table, float* out) {
  if (table.is_arithmetic) {
    compute_values(
        levels, count, table.normalisation,
        [out](int at, __m512 values) { _mm512_storeu_ps(out + at, values); },
        [out](int at, __mmask16 mask, __m512 values) {
          _mm512_mask_storeu_ps(out + at, mask, values);
        });
    return;
  }
  for (int i = 0; i < count; ++i) out[i] = table.values[levels[i]];
}

// As to_bfloat16() of pixel_ops.h, for numbers.
inline __m256i round_to_bfloat16(__m512 values) {
  const __m512i bits = _mm512_castps_si512(values);
  const __m512i is_odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i bias = _mm512_add_epi32(is_odd, _mm512_set1_epi32(0x7FFF));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_add_epi32(bits, bias), 16));
}

void look_up_bfloat16(const std::uint8_t* levels, int count, const LevelTable& table,
                      std::uint16_t* out) {
  if (table.is_arithmetic) {
    compute_values(
        levels, count, table.normalisation,
        [out](int at, __m512 values) {
          _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + at), round_to_bfloat16(values));
        },
        [out](int at, __mmask16 mask, __m512 values) {
          _mm256_mask_storeu_epi16(out + at, mask, round_to_bfloat16(values));
        });
    return;
  }
  for (int i = 0; i < count; ++i) out[i] = table.bfloat16[levels[i]];
}

template <int digits>
constexpr ResampleKernels kernels_of(const ResampleKernels* narrow, std::int32_t weight_limit) {
  return {"avx512vnni",
          narrow,
          weight_limit,
          kTaps,
          digits,
          kRows,
          encode_group<digits>,
          pack_strip,
          filter_columns<digits>,
          interleave_rows,
          filter_rows<digits>,
          look_up,
          look_up_bfloat16};
}

}  // namespace

const ResampleKernels& avx512vnni_kernels() {
  constexpr std::int32_t kLargestOfTwoDigits = 127 * 256 + 127;
  static constexpr ResampleKernels narrow = kernels_of<kNarrow>(nullptr, kLargestOfTwoDigits);
  static constexpr ResampleKernels wide =
      kernels_of<kWide>(&narrow, std::numeric_limits<std::int32_t>::max());
  return wide;
}

}  // namespace vrs
