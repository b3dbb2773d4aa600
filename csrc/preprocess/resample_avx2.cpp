// The inner loops for AVX2: products of int16 pairs, exact because int32 sums wrap around.
//
// A 22-bit weight k is split as high * 65536 + low, both int16; sum(v * k) = (sum(v * high) << 16)
// + sum(v * low) modulo 2^32, and the true sum fits an int32. vpmaddwd adds two taps a lane.
#include <immintrin.h>

#include <cstddef>
#include <cstring>

#include "pixel_ops.h"
#include "resample_kernels.h"

namespace vrs {
namespace {

constexpr int kTaps = 2;
constexpr int kRows = 8;
constexpr int kChannels = 3;

std::uint32_t pair_of(std::int32_t first, std::int32_t second) {
  return (static_cast<std::uint32_t>(first) & 0xFFFF) | static_cast<std::uint32_t>(second) << 16;
}

void encode_group(const std::int32_t* weights, std::int32_t* words) {
  std::int32_t high[kTaps], low[kTaps];
  for (int t = 0; t < kTaps; ++t) {
    low[t] = static_cast<std::int16_t>(weights[t] & 0xFFFF);
    high[t] = (weights[t] - low[t]) >> 16;
  }
  words[0] = static_cast<std::int32_t>(pair_of(high[0], high[1]));
  words[1] = static_cast<std::int32_t>(pair_of(low[0], low[1]));
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

__m256i levels_of_sums(__m256i high, __m256i low) {
  const __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, 16), low);
  return _mm256_srai_epi32(sum, kCoefficientBits);  // the callers' saturating packs clamp
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
  // What is left is under 16 bytes a row, at most five pixels: two steps on a padded copy, the
  // second of them only where a fifth pixel is left.
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
__attribute__((noinline)) void filter_one_column(const std::int32_t* cells,
                                                 const std::int32_t* words, int groups,
                                                 std::uint64_t* out, int stride) {
  __m256i high[kChannels], low[kChannels];
  for (int c = 0; c < kChannels; ++c) {
    high[c] = _mm256_setzero_si256();
    low[c] = _mm256_set1_epi32(kRoundingBias);
  }
#pragma GCC unroll 4
  for (int g = 0; g < groups; ++g) {
    const __m256i high_weights = _mm256_set1_epi32(words[2 * g]);
    const __m256i low_weights = _mm256_set1_epi32(words[2 * g + 1]);
    for (int c = 0; c < kChannels; ++c) {
      const __m256i levels = load(cells + (g * kChannels + c) * kRows);
      high[c] = _mm256_add_epi32(high[c], _mm256_madd_epi16(levels, high_weights));
      low[c] = _mm256_add_epi32(low[c], _mm256_madd_epi16(levels, low_weights));
    }
  }
  for (int c = 0; c < kChannels; ++c) {
    const __m256i levels = levels_of_sums(high[c], low[c]);
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

void filter_columns(const std::int32_t* strip, const PackedAxis& axis, int plane_stride,
                    std::uint8_t* const* row_groups) {
  alignas(32) std::uint64_t block[kChannels][kColumnBlock] = {};
  for (int begin = 0; begin < axis.outputs; begin += kColumnBlock) {
    const int columns = begin + kColumnBlock <= axis.outputs ? kColumnBlock : axis.outputs - begin;
    for (int i = 0; i < columns; ++i) {
      const int x = begin + i;
      const std::ptrdiff_t cell = static_cast<std::ptrdiff_t>(axis.first_group[x]) * kChannels;
      const std::ptrdiff_t word = static_cast<std::ptrdiff_t>(x) * axis.groups * kTaps;
      filter_one_column(strip + cell * kRows, axis.words.data() + word, axis.groups, &block[0][i],
                        kColumnBlock);
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

void filter_rows(const std::uint8_t* const* row_groups, const std::int32_t* words, int groups,
                 int positions, std::uint8_t* levels) {
  constexpr int kVectors = kPositionBlock / 8;
  for (int begin = 0; begin < positions; begin += kPositionBlock) {
    __m256i high[kVectors], low[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      high[v] = _mm256_setzero_si256();
      low[v] = _mm256_set1_epi32(kRoundingBias);
    }
    for (int g = 0; g < groups; ++g) {
      const std::uint8_t* taps = row_groups[g] + static_cast<std::ptrdiff_t>(begin) * kTaps;
      const __m256i high_weights = _mm256_set1_epi32(words[2 * g]);
      const __m256i low_weights = _mm256_set1_epi32(words[2 * g + 1]);
      for (int v = 0; v < kVectors; ++v) {
        const __m256i pairs = _mm256_cvtepu8_epi16(load_half(taps + 16 * v));
        high[v] = _mm256_add_epi32(high[v], _mm256_madd_epi16(pairs, high_weights));
        low[v] = _mm256_add_epi32(low[v], _mm256_madd_epi16(pairs, low_weights));
      }
    }
    for (int v = 0; v < kVectors; ++v) low[v] = levels_of_sums(high[v], low[v]);
    store(levels + begin, pack_levels(low));
  }
}

// As divide() of pixel_ops.h.
inline __m256 divide(__m256 a, __m256 b, __m256 reciprocal) {
  const __m256 quotient = _mm256_mul_ps(a, reciprocal);
  return _mm256_fmadd_ps(_mm256_fnmadd_ps(quotient, b, a), reciprocal, quotient);
}

void look_up(const std::uint8_t* levels, int count, const LevelTable& table, float* out) {
  int i = 0;
  if (table.is_arithmetic) {
    const Normalisation& n = table.normalisation;
    const __m256 divisor = _mm256_set1_ps(n.divisor), per_divisor = _mm256_set1_ps(1 / n.divisor);
    const __m256 std = _mm256_set1_ps(n.std), per_std = _mm256_set1_ps(1 / n.std);
    const __m256 mean = _mm256_set1_ps(n.mean);
    for (; i + 8 <= count; i += 8) {
      const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(levels + i));
      const __m256 values = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
      const __m256 centred = _mm256_sub_ps(divide(values, divisor, per_divisor), mean);
      _mm256_storeu_ps(out + i, divide(centred, std, per_std));
    }
  }
  for (; i < count; ++i) out[i] = table.values[levels[i]];
}

}  // namespace

const ResampleKernels& avx2_kernels() {
  static constexpr ResampleKernels kernels = {
      "avx2",     kTaps,          kTaps,           kRows,       encode_group,
      pack_strip, filter_columns, interleave_rows, filter_rows, look_up};
  return kernels;
}

}  // namespace vrs
