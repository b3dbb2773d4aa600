// The inner loops for AVX-512 with VNNI: sixteen lanes.
#include <immintrin.h>

#include <cstddef>
#include <cstring>

#include "contract/pixel_ops.h"
#include "resample_kernels.h"
#include "resample_vnni.h"

namespace vrs {
namespace {

struct Avx512;

constexpr int kTaps = 4;
constexpr int kRows = 16;
constexpr int kChannels = 3;
constexpr int kLanes = 16;

__m128i load_16(const void* source) {
  return _mm_loadu_si128(static_cast<const __m128i*>(source));
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
  // Eight rows at a time: the rows of images that are 1024 RGBX pixels wide lie 4096 bytes apart,
  // so they share eight places of the innermost cache.
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
  pack_tail<Avx512, channels>(rows, offset, bytes, strip, pack_four_pixels<channels>);
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

void look_up_float32(const std::uint8_t* levels, int count, const LevelTable& table, float* out) {
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

void look_up_bits(const std::uint8_t* levels, int count, const LevelTable& table,
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

struct Avx512 {
  using Register = __m512i;
  static constexpr const char* kName = "avx512vnni";

  static Register load(const void* source) { return _mm512_loadu_si512(source); }
  static void store(void* target, Register value) { _mm512_storeu_si512(target, value); }
  static void store_half(void* target, Register value) {
    _mm256_storeu_si256(static_cast<__m256i*>(target), _mm512_castsi512_si256(value));
  }
  static Register set_i32(std::int32_t value) { return _mm512_set1_epi32(value); }
  static Register add_i32(Register a, Register b) { return _mm512_add_epi32(a, b); }
  template <int bits>
  static Register shift_left(Register a) {
    return _mm512_slli_epi32(a, bits);
  }
  static Register shift_right(Register a, __m128i bits) { return _mm512_sra_epi32(a, bits); }

  // Adds four products to each lane's sum: _mm512_dpbusd_epi32, around which GCC 12 copies the sum.
  static Register add_products(Register sum, Register levels, Register weights) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(levels), "v"(weights));
    return sum;
  }

  // Int32 levels -> bytes, clamped: in each 128-bit quarter q the levels 4q .. 4q + 3 of a, then
  // those of b, c and d.
  static Register pack_levels(Register a, Register b, Register c, Register d) {
    return _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
  }

  // Packed levels with all of a's before all of b's, and so on.
  static Register in_order(Register packed) {
    return _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), packed);
  }

  static void store_quarters(Register value, std::uint8_t* const* targets, std::ptrdiff_t offset) {
    const auto store_16 = [=](int quarter, __m128i part) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(targets[quarter] + offset), part);
    };
    store_16(0, _mm512_castsi512_si128(value));
    store_16(1, _mm512_extracti32x4_epi32(value, 1));
    store_16(2, _mm512_extracti32x4_epi32(value, 2));
    store_16(3, _mm512_extracti32x4_epi32(value, 3));
  }

  static void pack_strip(const std::uint8_t* const* rows, int channels, int pixels,
                         std::int32_t* strip) {
    channels == 3 ? pack_strip_of<3>(rows, pixels, strip) : pack_strip_of<4>(rows, pixels, strip);
  }

  static constexpr auto look_up = look_up_float32;
  static constexpr auto look_up_bfloat16 = look_up_bits;
};

}  // namespace

const ResampleKernels& avx512vnni_kernels() {
  static constexpr ResampleKernels narrow = vnni_kernels<Avx512, 2>(nullptr);
  static constexpr ResampleKernels wide = vnni_kernels<Avx512, 3>(&narrow);
  return wide;
}

}  // namespace vrs
