// The inner loops of the costly perturbations for AVX2.
#include <immintrin.h>

#include <cstddef>

#include "perturb_kernels.h"
#include "pixel_ops.h"

namespace vrs {
namespace {

void pack_rgb(const std::uint8_t* rgbx, int count, std::uint8_t* rgb) {
  const __m128i drop_fourth = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  int x = 0;
  // Four pixels a step; each store runs four bytes into the next two pixels, so those must exist.
  for (; x + 6 <= count; x += 4) {
    const __m128i pixels = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rgbx + 4 * x));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(rgb + 3 * x),
                     _mm_shuffle_epi8(pixels, drop_fourth));
  }
  for (; x < count; ++x) {
    for (int c = 0; c < 3; ++c) rgb[3 * x + c] = rgbx[4 * x + c];
  }
}

constexpr int kLanes = 8;  // Philox draws side by side
constexpr int kWords = kLanes * Philox::kWordsPerDraw;

struct Product {
  __m256i high;
  __m256i low;
};

// 32 x 32 -> 64 bits in every lane, as halves.
inline Product multiply(__m256i values, std::uint32_t factor) {
  const __m256i factors = _mm256_set1_epi32(static_cast<int>(factor));
  const __m256i even = _mm256_mul_epu32(values, factors);
  const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(values, 32), factors);
  return {_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0b10101010),
          _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0b10101010)};
}

// The words of draws (row, first_block) .. (row, first_block + 7), in order.
void draw_lanes(const Philox& philox, int row, int first_block, std::uint16_t* words) {
  const std::array<std::uint32_t, 4> key = philox.key_words();
  __m256i c0 =
      _mm256_add_epi32(_mm256_set1_epi32(first_block), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  __m256i c1 = _mm256_set1_epi32(row);
  __m256i c2 = _mm256_set1_epi32(static_cast<int>(key[2]));
  __m256i c3 = _mm256_set1_epi32(static_cast<int>(key[3]));
  __m256i k0 = _mm256_set1_epi32(static_cast<int>(key[0]));
  __m256i k1 = _mm256_set1_epi32(static_cast<int>(key[1]));
  for (int round = 0; round < Philox::kRounds; ++round) {
    const Product product0 = multiply(c0, Philox::kFactor0);
    const Product product1 = multiply(c2, Philox::kFactor1);
    c0 = _mm256_xor_si256(_mm256_xor_si256(product1.high, c1), k0);
    c1 = product1.low;
    c2 = _mm256_xor_si256(_mm256_xor_si256(product0.high, c3), k1);
    c3 = product0.low;
    k0 = _mm256_add_epi32(k0, _mm256_set1_epi32(static_cast<int>(Philox::kStep0)));
    k1 = _mm256_add_epi32(k1, _mm256_set1_epi32(static_cast<int>(Philox::kStep1)));
  }
  // Lane i of c0..c3 is draw i: transpose to the four numbers of each draw in a row.
  const __m256i low01 = _mm256_unpacklo_epi32(c0, c1), high01 = _mm256_unpackhi_epi32(c0, c1);
  const __m256i low23 = _mm256_unpacklo_epi32(c2, c3), high23 = _mm256_unpackhi_epi32(c2, c3);
  const __m256i draws[4] = {
      _mm256_unpacklo_epi64(low01, low23), _mm256_unpackhi_epi64(low01, low23),
      _mm256_unpacklo_epi64(high01, high23), _mm256_unpackhi_epi64(high01, high23)};
  for (int i = 0; i < 4; ++i) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(words) + i, _mm256_castsi256_si128(draws[i]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(words) + 4 + i,
                     _mm256_extracti128_si256(draws[i], 1));
  }
}

void draw_words(const Philox& philox, int row, int begin, std::uint16_t* words) {
  for (int i = 0; i < kNoiseWords; i += kWords) {
    draw_lanes(philox, row, (begin + i) / Philox::kWordsPerDraw, words + i);
  }
}

void add_offsets(const std::uint16_t* words, const std::uint8_t* offsets, int count,
                 std::uint8_t* levels) {
  int i = 0;
  for (; i + 16 <= count; i += 16) {
    auto* target = reinterpret_cast<__m128i*>(levels + i);
    const __m256i is_negative = _mm256_srai_epi16(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words + i)), 15);  // -1 or 0
    const __m256i offset =
        _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(offsets + i)));
    const __m256i noise = _mm256_sub_epi16(_mm256_xor_si256(offset, is_negative), is_negative);
    const __m256i sums = _mm256_add_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128(target)), noise);
    _mm_storeu_si128(
        target, _mm_packus_epi16(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1)));
  }
  for (; i < count; ++i) {
    levels[i] = clamp_to_u8(levels[i] + (words[i] >> 15 ? -offsets[i] : offsets[i]));
  }
}

void weigh_rows(const std::uint8_t* const* rows, const std::uint16_t* weights, int taps, int count,
                std::uint8_t* out) {
  constexpr int kBlock = 64;
  constexpr int kVectors = kBlock / 16;
  int begin = 0;
  for (; begin + kBlock <= count; begin += kBlock) {
    __m256i sums[kVectors];
    for (int v = 0; v < kVectors; ++v) sums[v] = _mm256_set1_epi16(128);
    for (int t = 0; t < taps; ++t) {
      const __m256i weight = _mm256_set1_epi16(static_cast<short>(weights[t]));
      for (int v = 0; v < kVectors; ++v) {
        const auto* source = reinterpret_cast<const __m128i*>(rows[t] + begin) + v;
        const __m256i values = _mm256_cvtepu8_epi16(_mm_loadu_si128(source));
        sums[v] = _mm256_add_epi16(sums[v], _mm256_mullo_epi16(values, weight));
      }
    }
    for (int v = 0; v < kVectors; ++v) {
      const __m256i shifted = _mm256_srli_epi16(sums[v], 8);
      _mm_storeu_si128(
          reinterpret_cast<__m128i*>(out + begin) + v,
          _mm_packus_epi16(_mm256_castsi256_si128(shifted), _mm256_extracti128_si256(shifted, 1)));
    }
  }
  for (; begin < count; ++begin) {
    int sum = 128;
    for (int t = 0; t < taps; ++t) sum += rows[t][begin] * weights[t];
    out[begin] = static_cast<std::uint8_t>(sum >> 8);
  }
}

}  // namespace

const PerturbKernels& avx2_perturb_kernels() {
  static constexpr PerturbKernels kernels = {"avx2", pack_rgb, draw_words, add_offsets, weigh_rows};
  return kernels;
}

}  // namespace vrs
