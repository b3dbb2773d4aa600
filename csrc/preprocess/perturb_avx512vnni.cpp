// The inner loops of the costly perturbations for the AVX-512 of processors that have VNNI.
#include <immintrin.h>

#include <cstddef>

#include "perturb_kernels.h"
#include "pixel_ops.h"

namespace vrs {
namespace {

constexpr int kLanes = 16;  // Philox draws side by side
constexpr int kWords = kLanes * Philox::kWordsPerDraw;

struct Product {
  __m512i high;
  __m512i low;
};

// 32 x 32 -> 64 bits in every lane, as halves.
inline Product multiply(__m512i values, std::uint32_t factor) {
  constexpr __mmask16 kOdd = 0xAAAA;
  const __m512i factors = _mm512_set1_epi32(static_cast<int>(factor));
  const __m512i even = _mm512_mul_epu32(values, factors);
  const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(values, 32), factors);
  return {_mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), kOdd, odd),
          _mm512_mask_mov_epi32(even, kOdd, _mm512_slli_epi64(odd, 32))};
}

// Draw 4 * q + i in quarter q of draws[i].
inline void store_draws(const __m512i* draws, std::uint16_t* words) {
  for (int i = 0; i < 4; ++i) {
    auto* target = reinterpret_cast<__m128i*>(words) + i;
    _mm_storeu_si128(target, _mm512_castsi512_si128(draws[i]));
    _mm_storeu_si128(target + 4, _mm512_extracti32x4_epi32(draws[i], 1));
    _mm_storeu_si128(target + 8, _mm512_extracti32x4_epi32(draws[i], 2));
    _mm_storeu_si128(target + 12, _mm512_extracti32x4_epi32(draws[i], 3));
  }
}

// The words of draws (row, first_block) .. (row, first_block + 15), in order.
void draw_lanes(const Philox& philox, int row, int first_block, std::uint16_t* words) {
  const std::array<std::uint32_t, 4> key = philox.key_words();
  __m512i c0 =
      _mm512_add_epi32(_mm512_set1_epi32(first_block),
                       _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  __m512i c1 = _mm512_set1_epi32(row);
  __m512i c2 = _mm512_set1_epi32(static_cast<int>(key[2]));
  __m512i c3 = _mm512_set1_epi32(static_cast<int>(key[3]));
  std::uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < Philox::kRounds; ++round) {
    constexpr int kXor3 = 0x96;  // the truth table of a ^ b ^ c
    const Product product0 = multiply(c0, Philox::kFactor0);
    const Product product1 = multiply(c2, Philox::kFactor1);
    c0 = _mm512_ternarylogic_epi32(product1.high, c1, _mm512_set1_epi32(static_cast<int>(k0)),
                                   kXor3);
    c1 = product1.low;
    c2 = _mm512_ternarylogic_epi32(product0.high, c3, _mm512_set1_epi32(static_cast<int>(k1)),
                                   kXor3);
    c3 = product0.low;
    k0 += Philox::kStep0;
    k1 += Philox::kStep1;
  }
  const __m512i low01 = _mm512_unpacklo_epi32(c0, c1), high01 = _mm512_unpackhi_epi32(c0, c1);
  const __m512i low23 = _mm512_unpacklo_epi32(c2, c3), high23 = _mm512_unpackhi_epi32(c2, c3);
  const __m512i draws[4] = {
      _mm512_unpacklo_epi64(low01, low23), _mm512_unpackhi_epi64(low01, low23),
      _mm512_unpacklo_epi64(high01, high23), _mm512_unpackhi_epi64(high01, high23)};
  store_draws(draws, words);
}

void draw_words(const Philox& philox, int row, int begin, std::uint16_t* words) {
  for (int i = 0; i < kNoiseWords; i += kWords) {
    draw_lanes(philox, row, (begin + i) / Philox::kWordsPerDraw, words + i);
  }
}

void add_offsets(const std::uint16_t* words, const std::uint8_t* offsets, int count,
                 std::uint8_t* levels) {
  const __m512i zero = _mm512_setzero_si512();
  int i = 0;
  for (; i + 32 <= count; i += 32) {
    auto* target = reinterpret_cast<__m256i*>(levels + i);
    const __mmask32 is_negative = _mm512_movepi16_mask(_mm512_loadu_si512(words + i));
    const __m512i offset =
        _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(offsets + i)));
    const __m512i noise = _mm512_mask_sub_epi16(offset, is_negative, zero, offset);
    const __m512i sums = _mm512_add_epi16(_mm512_cvtepu8_epi16(_mm256_loadu_si256(target)), noise);
    _mm256_storeu_si256(target, _mm512_cvtusepi16_epi8(_mm512_max_epi16(sums, zero)));
  }
  for (; i < count; ++i) {
    levels[i] = clamp_to_u8(levels[i] + (words[i] >> 15 ? -offsets[i] : offsets[i]));
  }
}

void weigh_rows(const std::uint8_t* const* rows, const std::uint16_t* weights, int taps, int count,
                std::uint8_t* out) {
  constexpr int kBlock = 128;
  constexpr int kVectors = kBlock / 32;
  int begin = 0;
  for (; begin + kBlock <= count; begin += kBlock) {
    __m512i sums[kVectors];
    for (int v = 0; v < kVectors; ++v) sums[v] = _mm512_set1_epi16(128);
    for (int t = 0; t < taps; ++t) {
      const __m512i weight = _mm512_set1_epi16(static_cast<short>(weights[t]));
      for (int v = 0; v < kVectors; ++v) {
        const auto* source = reinterpret_cast<const __m256i*>(rows[t] + begin) + v;
        const __m512i values = _mm512_cvtepu8_epi16(_mm256_loadu_si256(source));
        sums[v] = _mm512_add_epi16(sums[v], _mm512_mullo_epi16(values, weight));
      }
    }
    for (int v = 0; v < kVectors; ++v) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + begin) + v,
                          _mm512_cvtepi16_epi8(_mm512_srli_epi16(sums[v], 8)));
    }
  }
  for (; begin < count; ++begin) {
    int sum = 128;
    for (int t = 0; t < taps; ++t) sum += rows[t][begin] * weights[t];
    out[begin] = static_cast<std::uint8_t>(sum >> 8);
  }
}

}  // namespace

const PerturbKernels& avx512vnni_perturb_kernels() {
  // Dropping the fourth byte is bound by memory: the loop for AVX2 does.
  static const PerturbKernels kernels = {"avx512vnni", avx2_perturb_kernels().pack_rgb, draw_words,
                                         add_offsets, weigh_rows};
  return kernels;
}

}  // namespace vrs
