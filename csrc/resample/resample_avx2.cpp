// The inner loops for AVX2: products of int16 pairs, exact because int32 sums wrap around.
//
// A 22-bit weight k is split as high * 65536 + low, both int16; sum(v * k) = (sum(v * high) << 16)
// + sum(v * low) modulo 2^32, and the true sum fits an int32. vpmaddwd adds two taps a lane.
// Weights that are int16 themselves need no high part and half the work: the narrow set.
#include <immintrin.h>

#include <cstddef>
#include <cstring>
#include <limits>

#include "contract/pixel_ops.h"
#include "resample_kernels.h"

namespace vrs {
namespace {

constexpr int kTaps = 2;
constexpr int kRows = 8;
constexpr int kChannels = 3;
constexpr int kWide = 2, kNarrow = 1;  // parts of a weight

std::uint32_t pair_of(std::int32_t first, std::int32_t second) {
  return (static_cast<std::uint32_t>(first) & 0xFFFF) | static_cast<std::uint32_t>(second) << 16;
}

// One word for each part, the low part first.
template <int parts>
void encode_group(const std::int32_t* weights, std::int32_t* words) {
  std::int32_t high[kTaps], low[kTaps];
  for (int t = 0; t < kTaps; ++t) {
    low[t] = static_cast<std::int16_t>(weights[t] & 0xFFFF);
    high[t] = (weights[t] - low[t]) >> 16;
  }
  words[0] = static_cast<std::int32_t>(pair_of(low[0], low[1]));
  if (parts == kWide) words[1] = static_cast<std::int32_t>(pair_of(high[0], high[1]));
}

__m256i load(const void* source) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(source));
}

__m128i load_half(const void* source) {
  return _mm_loadu_si128(static_cast<const __m128i*>(source));
}

void store(void* target, __m256i value) {
  _mm256_storeu_si256(static_cast<__m256i*>(target), value);
}

void store_half(void* target, __m128i value) {
  _mm_storeu_si128(static_cast<__m128i*>(target), value);
}

// The sums of one lane's products with each part of the weights.
template <int parts>
struct PartSums {
  __m256i part[parts];

  void start(int coefficient_bits) {
    part[0] = _mm256_set1_epi32(rounding_bias(coefficient_bits));
    if (parts == kWide) part[parts - 1] = _mm256_setzero_si256();
  }

  void add(int p, __m256i levels, __m256i weights) {
    part[p] = _mm256_add_epi32(part[p], _mm256_madd_epi16(levels, weights));
  }

  // Not clamped: the callers' saturating packs do that.
  __m256i levels(__m128i coefficient_bits) const {
    __m256i sum = part[0];
    if (parts == kWide) sum = _mm256_add_epi32(_mm256_slli_epi32(part[parts - 1], 16), sum);
    return _mm256_sra_epi32(sum, coefficient_bits);
  }
};

// Calls add(part, group, weights) for the low part of every group, and for the high part of groups
// that have one.
template <int parts, typename Add>
inline void for_each_group(const PackedFilter& filter, const Add& add) {
#pragma GCC unroll 4
  for (int g = 0; g < filter.groups; ++g) add(0, g, _mm256_set1_epi32(filter.words[parts * g]));
  if (parts == kNarrow) return;
#pragma GCC unroll 4
  for (int g = filter.wide_begin; g < filter.wide_end; ++g) {
    add(parts - 1, g, _mm256_set1_epi32(filter.words[parts * g + parts - 1]));
  }
}

// Four pixels of each of eight rows -> two column groups. Reads 16 bytes of each row.
template <int channels>
inline void pack_four_pixels(const std::uint8_t* const* rows, std::ptrdiff_t offset,
                             std::int32_t* strip) {
  constexpr int n = channels;
  const __m256i planar =
      _mm256_setr_epi8(0, n, 2 * n, 3 * n, 1, n + 1, 2 * n + 1, 3 * n + 1, 2, n + 2, 2 * n + 2,
                       3 * n + 2, -1, -1, -1, -1, 0, n, 2 * n, 3 * n, 1, n + 1, 2 * n + 1,
                       3 * n + 1, 2, n + 2, 2 * n + 2, 3 * n + 2, -1, -1, -1, -1);
  __m256i quads[4];  // per 128-bit half one row: four levels of red, of green, of blue
  for (int r = 0; r < 4; ++r) {
    const __m256i low = _mm256_castsi128_si256(load_half(rows[r] + offset));
    const __m256i both = _mm256_inserti128_si256(low, load_half(rows[r + 4] + offset), 1);
    quads[r] = _mm256_shuffle_epi8(both, planar);
  }
  const __m256i low01 = _mm256_unpacklo_epi32(quads[0], quads[1]);
  const __m256i low23 = _mm256_unpacklo_epi32(quads[2], quads[3]);
  const __m256i high01 = _mm256_unpackhi_epi32(quads[0], quads[1]);
  const __m256i high23 = _mm256_unpackhi_epi32(quads[2], quads[3]);
  const __m256i channel[kChannels] = {_mm256_unpacklo_epi64(low01, low23),
                                      _mm256_unpackhi_epi64(low01, low23),
                                      _mm256_unpacklo_epi64(high01, high23)};
  const __m256i first = _mm256_setr_epi8(0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13, -1,
                                         0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13, -1);
  const __m256i second =
      _mm256_setr_epi8(2, -1, 3, -1, 6, -1, 7, -1, 10, -1, 11, -1, 14, -1, 15, -1, 2, -1, 3, -1, 6,
                       -1, 7, -1, 10, -1, 11, -1, 14, -1, 15, -1);
  for (int c = 0; c < kChannels; ++c) {
    store(strip + c * kRows, _mm256_shuffle_epi8(channel[c], first));
    store(strip + (kChannels + c) * kRows, _mm256_shuffle_epi8(channel[c], second));
  }
}

template <int channels>
void pack_strip_of(const std::uint8_t* const* rows, int pixels, std::int32_t* strip) {
  constexpr int kStep = 4;
  const std::ptrdiff_t bytes = static_cast<std::ptrdiff_t>(pixels) * channels;
  std::ptrdiff_t offset = 0;
  for (; offset + 16 <= bytes; offset += kStep * channels, strip += 2 * kChannels * kRows) {
    pack_four_pixels<channels>(rows, offset, strip);
  }
  // Under 16 bytes a row are left, at most five pixels: two steps on a padded copy, the second only
  // if a fifth pixel is left.
  alignas(16) std::uint8_t tail[kRows][2 * 16] = {};
  const std::uint8_t* tails[kRows];
  for (int r = 0; r < kRows; ++r) {
    std::memcpy(tail[r], rows[r] + offset, bytes - offset);
    tails[r] = tail[r];
  }
  for (std::ptrdiff_t done = 0; done < bytes - offset; done += kStep * channels) {
    pack_four_pixels<channels>(tails, done, strip);
    strip += 2 * kChannels * kRows;
  }
}

void pack_strip(const std::uint8_t* const* rows, int channels, int pixels, std::int32_t* strip) {
  channels == 3 ? pack_strip_of<3>(rows, pixels, strip) : pack_strip_of<4>(rows, pixels, strip);
}

// One output column of eight rows, three channels: 8 bytes each to out[channel * stride].
// Not inlined: within the caller's loop GCC 12 spills the sums.
template <int parts>
__attribute__((noinline)) void filter_one_column(const std::int32_t* cells,
                                                 const PackedFilter& filter, int coefficient_bits,
                                                 std::uint64_t* out, int stride) {
  PartSums<parts> sums[kChannels];
  for (PartSums<parts>& channel : sums) channel.start(coefficient_bits);
  for_each_group<parts>(filter, [&](int part, int g, __m256i weights) {
    for (int c = 0; c < kChannels; ++c) {
      sums[c].add(part, load(cells + (g * kChannels + c) * kRows), weights);
    }
  });
  const __m128i shift = _mm_cvtsi32_si128(coefficient_bits);
  for (int c = 0; c < kChannels; ++c) {
    const __m256i levels = sums[c].levels(shift);
    const __m128i words16 =
        _mm_packs_epi32(_mm256_castsi256_si128(levels), _mm256_extracti128_si256(levels, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out + c * stride),
                     _mm_packus_epi16(words16, words16));
  }
}

constexpr int kColumnBlock = 8;

// columns[i]: the eight rows' levels of column i -> four row groups at `position`.
inline void store_row_groups(const std::uint64_t* columns, std::ptrdiff_t position,
                             std::uint8_t* const* row_groups) {
  __m128i pair[4];
  for (int i = 0; i < 4; ++i) pair[i] = load_half(columns + 2 * i);
  const __m128i a = _mm_unpacklo_epi16(pair[0], _mm_srli_si128(pair[0], 8));
  const __m128i b = _mm_unpacklo_epi16(pair[1], _mm_srli_si128(pair[1], 8));
  const __m128i c = _mm_unpacklo_epi16(pair[2], _mm_srli_si128(pair[2], 8));
  const __m128i d = _mm_unpacklo_epi16(pair[3], _mm_srli_si128(pair[3], 8));
  const __m128i ab01 = _mm_unpacklo_epi32(a, b), ab23 = _mm_unpackhi_epi32(a, b);
  const __m128i cd01 = _mm_unpacklo_epi32(c, d), cd23 = _mm_unpackhi_epi32(c, d);
  store_half(row_groups[0] + position * kTaps, _mm_unpacklo_epi64(ab01, cd01));
  store_half(row_groups[1] + position * kTaps, _mm_unpackhi_epi64(ab01, cd01));
  store_half(row_groups[2] + position * kTaps, _mm_unpacklo_epi64(ab23, cd23));
  store_half(row_groups[3] + position * kTaps, _mm_unpackhi_epi64(ab23, cd23));
}

template <int parts>
void filter_columns(const std::int32_t* strip, const PackedAxis& axis, int plane_stride,
                    std::uint8_t* const* row_groups) {
  alignas(32) std::uint64_t block[kChannels][kColumnBlock] = {};
  for (int begin = 0; begin < axis.outputs; begin += kColumnBlock) {
    const int columns = begin + kColumnBlock <= axis.outputs ? kColumnBlock : axis.outputs - begin;
    for (int i = 0; i < columns; ++i) {
      const int x = begin + i;
      const std::ptrdiff_t cell = static_cast<std::ptrdiff_t>(axis.first_group[x]) * kChannels;
      filter_one_column<parts>(strip + cell * kRows, axis.filters[x], axis.coefficient_bits,
                               &block[0][i], kColumnBlock);
    }
    for (int c = 0; c < kChannels; ++c) {
      store_row_groups(block[c], static_cast<std::ptrdiff_t>(c) * plane_stride + begin, row_groups);
    }
  }
}

void interleave_rows(const std::uint8_t* const* rows, int positions, std::uint8_t* row_group) {
  int i = 0;
  for (; i + 16 <= positions; i += 16) {
    const __m128i first = load_half(rows[0] + i), second = load_half(rows[1] + i);
    store_half(row_group + kTaps * i, _mm_unpacklo_epi8(first, second));
    store_half(row_group + kTaps * i + 16, _mm_unpackhi_epi8(first, second));
  }
  for (; i < positions; ++i) {
    row_group[kTaps * i] = rows[0][i];
    row_group[kTaps * i + 1] = rows[1][i];
  }
}

// Eight int32 levels each -> 32 bytes in order, clamped.
inline __m256i pack_levels(const __m256i* levels) {
  const __m256i words01 = _mm256_packs_epi32(levels[0], levels[1]);
  const __m256i words23 = _mm256_packs_epi32(levels[2], levels[3]);
  const __m256i bytes = _mm256_packus_epi16(words01, words23);
  return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

template <int parts>
void filter_rows(const std::uint8_t* const* row_groups, const PackedFilter& filter,
                 int coefficient_bits, int positions, std::uint8_t* levels) {
  constexpr int kVectors = kPositionBlock / 8;
  const __m128i shift = _mm_cvtsi32_si128(coefficient_bits);
  for (int begin = 0; begin < positions; begin += kPositionBlock) {
    PartSums<parts> sums[kVectors];
    for (PartSums<parts>& vector : sums) vector.start(coefficient_bits);
    for_each_group<parts>(filter, [&](int part, int g, __m256i weights) {
      const std::uint8_t* taps = row_groups[g] + static_cast<std::ptrdiff_t>(begin) * kTaps;
      for (int v = 0; v < kVectors; ++v) {
        sums[v].add(part, _mm256_cvtepu8_epi16(load_half(taps + 16 * v)), weights);
      }
    });
    __m256i vectors[kVectors];
    for (int v = 0; v < kVectors; ++v) vectors[v] = sums[v].levels(shift);
    store(levels + begin, pack_levels(vectors));
  }
}

// As divide() of pixel_ops.h.
inline __m256 divide(__m256 a, __m256 b, __m256 reciprocal) {
  const __m256 quotient = _mm256_mul_ps(a, reciprocal);
  return _mm256_fmadd_ps(_mm256_fnmadd_ps(quotient, b, a), reciprocal, quotient);
}

// Calls write(position, values) for eight values at a time, as pixel_ops.h computes them; returns
// the number of values written.
template <typename Write>
inline int compute_values(const std::uint8_t* levels, int count, const Normalisation& n,
                          Write write) {
  const __m256 divisor = _mm256_set1_ps(n.divisor), per_divisor = _mm256_set1_ps(1 / n.divisor);
  const __m256 std = _mm256_set1_ps(n.std), per_std = _mm256_set1_ps(1 / n.std);
  const __m256 mean = _mm256_set1_ps(n.mean);
  int i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(levels + i));
    const __m256 values = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
    const __m256 centred = _mm256_sub_ps(divide(values, divisor, per_divisor), mean);
    write(i, divide(centred, std, per_std));
  }
  return i;
}

void look_up(const std::uint8_t* levels, int count, const LevelTable& table, float* out) {
  int i = 0;
  if (table.is_arithmetic) {
    i = compute_values(levels, count, table.normalisation,
                       [out](int at, __m256 values) { _mm256_storeu_ps(out + at, values); });
  }
  for (; i < count; ++i) out[i] = table.values[levels[i]];
}

// As to_bfloat16() of pixel_ops.h, for numbers.
inline __m128i round_to_bfloat16(__m256 values) {
  const __m256i bits = _mm256_castps_si256(values);
  const __m256i is_odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i bias = _mm256_add_epi32(is_odd, _mm256_set1_epi32(0x7FFF));
  const __m256i upper = _mm256_srli_epi32(_mm256_add_epi32(bits, bias), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
}

void look_up_bfloat16(const std::uint8_t* levels, int count, const LevelTable& table,
                      std::uint16_t* out) {
  int i = 0;
  if (table.is_arithmetic) {
    i = compute_values(levels, count, table.normalisation, [out](int at, __m256 values) {
      store_half(out + at, round_to_bfloat16(values));
    });
  }
  for (; i < count; ++i) out[i] = table.bfloat16[levels[i]];
}

template <int parts>
constexpr ResampleKernels kernels_of(const ResampleKernels* narrow, std::int32_t weight_limit) {
  return {"avx2",
          narrow,
          weight_limit,
          kTaps,
          parts,
          kRows,
          encode_group<parts>,
          pack_strip,
          filter_columns<parts>,
          interleave_rows,
          filter_rows<parts>,
          look_up,
          look_up_bfloat16};
}

}  // namespace

const ResampleKernels& avx2_kernels() {
  static constexpr ResampleKernels narrow =
      kernels_of<kNarrow>(nullptr, std::numeric_limits<std::int16_t>::max());
  static constexpr ResampleKernels wide =
      kernels_of<kWide>(&narrow, std::numeric_limits<std::int32_t>::max());
  return wide;
}

}  // namespace vrs
