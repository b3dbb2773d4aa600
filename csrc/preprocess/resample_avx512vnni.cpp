// The inner loops for AVX-512 with VNNI: uint8 levels times int8 digits, four taps a lane.
//
// A 22-bit weight is split into balanced digits, k = d2 * 65536 + d1 * 256 + d0, each an int8:
// weights sum to one and negative lobes are shallow, so |k| stays under 1.98 * 2^22 and d2 fits.
// Sums of products wrap around modulo 2^32, and the true sum fits an int32. Weights that fit two
// digits take a third less work: the narrow set.
#include <immintrin.h>

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

// The sums of one lane's products with each digit of the weights.
template <int digits>
struct DigitSums {
  __m512i digit[digits];

  void start(int coefficient_bits) {
    digit[0] = _mm512_set1_epi32(rounding_bias(coefficient_bits));
    for (int d = 1; d < digits; ++d) digit[d] = _mm512_setzero_si512();
  }

  void add(__m512i levels, const __m512i* weights) {
    for (int d = 0; d < digits; ++d) {
      digit[d] = _mm512_dpbusd_epi32(digit[d], levels, weights[d]);
    }
  }

  __m128i levels(__m128i coefficient_bits) const {
    __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(digit[1], 8), digit[0]);
    if (digits == kWide) {
      sum = _mm512_add_epi32(_mm512_slli_epi32(digit[digits - 1], 16), sum);
    }
    sum = _mm512_sra_epi32(sum, coefficient_bits);
    return _mm512_cvtusepi32_epi8(_mm512_max_epi32(sum, _mm512_setzero_si512()));
  }
};

template <int digits>
inline void load_weights(const std::int32_t* words, __m512i* weights) {
  for (int d = 0; d < digits; ++d) weights[d] = _mm512_set1_epi32(words[d]);
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

template <int channels>
void pack_strip_of(const std::uint8_t* const* rows, int pixels, std::int32_t* strip) {
  const std::ptrdiff_t bytes = static_cast<std::ptrdiff_t>(pixels) * channels;
  constexpr std::ptrdiff_t kStep = kTaps * channels;
  std::ptrdiff_t offset = 0;
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

// One output column of sixteen rows, three channels.
template <int digits>
inline void filter_one_column(const std::int32_t* cells, const std::int32_t* words, int groups,
                              int coefficient_bits, __m128i* levels) {
  DigitSums<digits> sums[kChannels];
  for (DigitSums<digits>& channel : sums) channel.start(coefficient_bits);
  for (int g = 0; g < groups; ++g, words += digits) {
    __m512i weights[digits];
    load_weights<digits>(words, weights);
    for (int c = 0; c < kChannels; ++c, cells += kRows) {
      sums[c].add(_mm512_loadu_si512(cells), weights);
    }
  }
  const __m128i shift = _mm_cvtsi32_si128(coefficient_bits);
  for (int c = 0; c < kChannels; ++c) levels[c] = sums[c].levels(shift);
}

constexpr int kColumnBlock = 4;

// columns[i]: sixteen rows' levels of column i, as four row groups of four -> those row groups.
inline void store_row_groups(const __m128i* columns, std::ptrdiff_t position,
                             std::uint8_t* const* row_groups) {
  const __m128i low01 = _mm_unpacklo_epi32(columns[0], columns[1]);
  const __m128i low23 = _mm_unpacklo_epi32(columns[2], columns[3]);
  const __m128i high01 = _mm_unpackhi_epi32(columns[0], columns[1]);
  const __m128i high23 = _mm_unpackhi_epi32(columns[2], columns[3]);
  store_16(row_groups[0] + position * kTaps, _mm_unpacklo_epi64(low01, low23));
  store_16(row_groups[1] + position * kTaps, _mm_unpackhi_epi64(low01, low23));
  store_16(row_groups[2] + position * kTaps, _mm_unpacklo_epi64(high01, high23));
  store_16(row_groups[3] + position * kTaps, _mm_unpackhi_epi64(high01, high23));
}

template <int digits>
void filter_columns(const std::int32_t* strip, const PackedAxis& axis, int plane_stride,
                    std::uint8_t* const* row_groups) {
  __m128i block[kChannels][kColumnBlock] = {};
  for (int begin = 0; begin < axis.outputs; begin += kColumnBlock) {
    const int columns = begin + kColumnBlock <= axis.outputs ? kColumnBlock : axis.outputs - begin;
    for (int i = 0; i < columns; ++i) {
      const int x = begin + i;
      const std::ptrdiff_t cell = static_cast<std::ptrdiff_t>(axis.first_group[x]) * kChannels;
      const std::ptrdiff_t word = static_cast<std::ptrdiff_t>(x) * axis.groups * digits;
      __m128i levels[kChannels];
      filter_one_column<digits>(strip + cell * kRows, axis.words.data() + word, axis.groups,
                                axis.coefficient_bits, levels);
      for (int c = 0; c < kChannels; ++c) block[c][i] = levels[c];
    }
    for (int c = 0; c < kChannels; ++c) {
      store_row_groups(block[c], static_cast<std::ptrdiff_t>(c) * plane_stride + begin, row_groups);
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
inline void filter_positions(const std::uint8_t* const* row_groups, const std::int32_t* words,
                             int groups, int coefficient_bits, int begin, std::uint8_t* levels) {
  DigitSums<digits> sums[vectors];
  for (DigitSums<digits>& vector : sums) vector.start(coefficient_bits);
  for (int g = 0; g < groups; ++g, words += digits) {
    __m512i weights[digits];
    load_weights<digits>(words, weights);
    const std::uint8_t* taps = row_groups[g] + static_cast<std::ptrdiff_t>(begin) * kTaps;
    for (int v = 0; v < vectors; ++v) {
      sums[v].add(_mm512_loadu_si512(taps + v * kLanes * kTaps), weights);
    }
  }
  const __m128i shift = _mm_cvtsi32_si128(coefficient_bits);
  for (int v = 0; v < vectors; ++v) store_16(levels + begin + v * kLanes, sums[v].levels(shift));
}

template <int digits>
void filter_rows(const std::uint8_t* const* row_groups, const std::int32_t* words, int groups,
                 int coefficient_bits, int positions, std::uint8_t* levels) {
  constexpr int kVectors = kPositionBlock / kLanes;
  int begin = 0;
  for (; begin + 2 * kPositionBlock <= positions; begin += 2 * kPositionBlock) {
    filter_positions<digits, 2 * kVectors>(row_groups, words, groups, coefficient_bits, begin,
                                           levels);
  }
  if (begin < positions) {
    filter_positions<digits, kVectors>(row_groups, words, groups, coefficient_bits, begin, levels);
  }
}

// As divide() of pixel_ops.h.
inline __m512 divide(__m512 a, __m512 b, __m512 reciprocal) {
  const __m512 quotient = _mm512_mul_ps(a, reciprocal);
  return _mm512_fmadd_ps(_mm512_fnmadd_ps(quotient, b, a), reciprocal, quotient);
}

// Calls `write(position, mask, values)` for up to sixteen values at a time, as pixel_ops.h computes
// them.
template <typename Write>
inline void compute_values(const std::uint8_t* levels, int count, const Normalisation& n,
                           Write write) {
  const __m512 divisor = _mm512_set1_ps(n.divisor), per_divisor = _mm512_set1_ps(1 / n.divisor);
  const __m512 std = _mm512_set1_ps(n.std), per_std = _mm512_set1_ps(1 / n.std);
  const __m512 mean = _mm512_set1_ps(n.mean);
  for (int i = 0; i < count; i += kLanes) {
    const int rest = count - i;
    const auto mask = static_cast<__mmask16>(rest >= kLanes ? 0xFFFF : (1U << rest) - 1);
    const __m128i bytes = _mm_maskz_loadu_epi8(mask, levels + i);
    const __m512 values = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
    const __m512 centred = _mm512_sub_ps(divide(values, divisor, per_divisor), mean);
    write(i, mask, divide(centred, std, per_std));
  }
}

void look_up(const std::uint8_t* levels, int count, const LevelTable& table, float* out) {
  if (table.is_arithmetic) {
    compute_values(levels, count, table.normalisation,
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
    compute_values(levels, count, table.normalisation,
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
