// The inner loops of the costly perturbations for the AVX-512 of processors that have VNNI.
#include <immintrin.h>

#include "noise_tables.h"
#include "perturb_kernels.h"
#include "perturb_vectors.h"

namespace vrs {
namespace {

struct Avx512 {  // the operations are described in perturb_avx2.cpp
  using Register = __m512i;
  static constexpr int kDrawSets = 4;

  static Register load(const std::uint16_t* words) { return _mm512_loadu_si512(words); }
  static void store(std::uint16_t* words, Register value) { _mm512_storeu_si512(words, value); }

  static Register set_u32(std::uint32_t value) {
    return _mm512_set1_epi32(static_cast<int>(value));
  }
  static Register add_u32(Register a, Register b) { return _mm512_add_epi32(a, b); }
  static Register multiply_u32(Register a, Register b) { return _mm512_mul_epu32(a, b); }
  static Register upper_halves(Register a) { return _mm512_srli_epi64(a, 32); }
  static Register xor3(Register a, Register b, Register c) {
    return _mm512_ternarylogic_epi32(a, b, c, 0x96);  // the truth table of a ^ b ^ c
  }
  static Register join_halves(Register lower, Register upper) {
    return _mm512_mask_mov_epi32(lower, 0xAAAA, _mm512_slli_epi64(upper, 32));
  }
  static Register unpack_low_u64(Register a, Register b) { return _mm512_unpacklo_epi64(a, b); }
  static Register unpack_high_u64(Register a, Register b) { return _mm512_unpackhi_epi64(a, b); }
  static Register number_draws(int first) {
    return _mm512_add_epi64(_mm512_set1_epi64(first), _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7));
  }

  static Register set_u16(std::uint16_t value) {
    return _mm512_set1_epi16(static_cast<short>(value));
  }
  static Register widen(const std::uint8_t* bytes) {
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
  }
  static void narrow(std::uint8_t* bytes, Register values) {
    const __m512i positive = _mm512_max_epi16(values, _mm512_setzero_si512());
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(bytes), _mm512_cvtusepi16_epi8(positive));
  }
  static Register add_i16(Register a, Register b) { return _mm512_add_epi16(a, b); }
  static Register multiply_i16(Register a, Register b) { return _mm512_mullo_epi16(a, b); }
  static Register multiply_upper_u16(Register a, Register b) { return _mm512_mulhi_epu16(a, b); }
  static Register top_bits(Register a) { return _mm512_srli_epi16(a, 15); }
  static Register upper_bytes(Register a) { return _mm512_srli_epi16(a, 8); }
  static Register load_bytes(const std::uint8_t* bytes) { return _mm512_loadu_si512(bytes); }
  static void store_bytes(std::uint8_t* bytes, Register value) {
    _mm512_storeu_si512(bytes, value);
  }
  static Register unpack_low_u8(Register a, Register b) { return _mm512_unpacklo_epi8(a, b); }
  static Register unpack_high_u8(Register a, Register b) { return _mm512_unpackhi_epi8(a, b); }
  static Register multiply_pairs(Register levels, Register weights) {
    return _mm512_maddubs_epi16(levels, weights);
  }
  static Register pack_u8(Register low, Register high) { return _mm512_packus_epi16(low, high); }
  static Register negate_i16(Register a, Register signs) {
    return _mm512_mask_sub_epi16(a, _mm512_movepi16_mask(signs), _mm512_setzero_si512(), a);
  }
};

// 64 entries of 16 bits by the lower six bits of each index.
struct Table64 {
  __m512i lower, upper;

  explicit Table64(const std::uint16_t* entries)
      : lower(_mm512_loadu_si512(entries)), upper(_mm512_loadu_si512(entries + 32)) {}

  __m512i operator[](__m512i indices) const {
    return _mm512_permutex2var_epi16(lower, indices, upper);
  }
};

// As NoiseTable says, where all offsets before the tail are under 64 * quarters.
template <int quarters>
void look_up_offsets_below(const NoiseTable& table, const std::uint16_t* words,
                           std::uint8_t* offsets) {
  const Table64 starts(table.starts.data()), slopes(table.slopes.data());
  const auto quarter = [&](int i) { return Table64(table.first_above.data() + 64 * i); };
  const Table64 quarter0 = quarter(0), quarter1 = quarter(1 % quarters);
  const Table64 quarter2 = quarter(2 % quarters), quarter3 = quarter(3 % quarters);
  const auto find_limit = [&](__m512i n) {
    if (quarters == 1) return quarter0[n];
    const __mmask32 is_odd = _mm512_test_epi16_mask(n, _mm512_set1_epi16(64));
    const __m512i low = _mm512_mask_mov_epi16(quarter0[n], is_odd, quarter1[n]);
    if (quarters == 2) return low;
    const __mmask32 is_high = _mm512_test_epi16_mask(n, _mm512_set1_epi16(128));
    const __m512i high = _mm512_mask_mov_epi16(quarter2[n], is_odd, quarter3[n]);
    return _mm512_mask_mov_epi16(low, is_high, high);
  };
  const __m512i tail = _mm512_set1_epi16(static_cast<short>(table.tail));
  std::uint64_t in_tail[kNoiseWords / 64] = {};
  for (int i = 0; i < kNoiseWords; i += 32) {
    const __m512i word = _mm512_loadu_si512(words + i);
    const __m512i t = _mm512_and_si512(word, _mm512_set1_epi16(0x7FFF));
    const __m512i cell = _mm512_srli_epi16(word, 9);
    const __m512i share = _mm512_slli_epi16(word, 7);  // of the cell, in 1/65536
    const __m512i rise = _mm512_mulhi_epu16(slopes[cell], share);
    const __m512i n = _mm512_srli_epi16(_mm512_add_epi16(starts[cell], rise), 7);
    const __mmask32 is_less = _mm512_cmpge_epu16_mask(t, find_limit(n));
    const __m512i offset = _mm512_mask_add_epi16(n, is_less, n, _mm512_set1_epi16(1));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(offsets + i), _mm512_cvtepi16_epi8(offset));
    const std::uint64_t missing = _mm512_cmpge_epu16_mask(t, tail);
    in_tail[i / 64] |= missing << (i % 64);
  }
  const auto look_up = [&](int lane) { offsets[lane] = table.offsets[words[lane] & 0x7FFF]; };
  for (int i = 0; i < kNoiseWords; i += 64) {
    // A random number of steps would mispredict, so the usual number of steps is always done.
    constexpr int kSteps = 4;
    constexpr std::uint64_t kLast = std::uint64_t{1} << 63;  // may be looked up although not needed
    std::uint64_t lanes = in_tail[i / 64];
    for (int step = 0; step < kSteps; ++step) {
      look_up(i + __builtin_ctzll(lanes | kLast));
      lanes &= lanes - 1;
    }
    for (; lanes != 0; lanes &= lanes - 1) look_up(i + __builtin_ctzll(lanes));
  }
}

void look_up_offsets(const NoiseTable& table, const std::uint16_t* words, std::uint8_t* offsets) {
  const int largest = table.tail == 0 ? 0 : table.offsets[table.tail - 1];
  const auto& look_up = largest < 64    ? look_up_offsets_below<1>
                        : largest < 128 ? look_up_offsets_below<2>
                                        : look_up_offsets_below<4>;
  look_up(table, words, offsets);
}

}  // namespace

const PerturbKernels& avx512vnni_perturb_kernels() {
  // Memory limits the dropping of the fourth byte, so the loop for AVX2 is enough.
  static const PerturbKernels kernels = {
      "avx512vnni",          avx2_perturb_kernels().pack_rgb, draw_words_of<Avx512>,
      look_up_offsets,       scale_offsets_of<Avx512>,        add_offsets_of<Avx512>,
      weigh_rows_of<Avx512>, weigh_two_rows_of<Avx512>};
  return kernels;
}

}  // namespace vrs
