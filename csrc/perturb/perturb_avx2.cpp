// The inner loops of the costly perturbations for AVX2.
#include <immintrin.h>

#include <cstring>

#include "perturb_kernels.h"
#include "perturb_vectors.h"

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

struct Avx2 {
  using Register = __m256i;
  static constexpr int kDrawSets = 2;

  static Register load(const std::uint16_t* words) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words));
  }
  static void store(std::uint16_t* words, Register value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(words), value);
  }

  // Of PhiloxLanes: 64-bit lanes of which the lower halves count.
  static Register set_u32(std::uint32_t value) {
    return _mm256_set1_epi32(static_cast<int>(value));
  }
  static Register add_u32(Register a, Register b) { return _mm256_add_epi32(a, b); }
  static Register multiply_u32(Register a, Register b) { return _mm256_mul_epu32(a, b); }
  static Register upper_halves(Register a) { return _mm256_srli_epi64(a, 32); }
  static Register xor3(Register a, Register b, Register c) {
    return _mm256_xor_si256(_mm256_xor_si256(a, b), c);
  }
  static Register join_halves(Register lower, Register upper) {
    return _mm256_blend_epi32(lower, _mm256_slli_epi64(upper, 32), 0b10101010);
  }
  static Register unpack_low_u64(Register a, Register b) { return _mm256_unpacklo_epi64(a, b); }
  static Register unpack_high_u64(Register a, Register b) { return _mm256_unpackhi_epi64(a, b); }
  // `first` and the following in the even lanes, then in the odd ones.
  static Register number_draws(int first) {
    return _mm256_add_epi64(_mm256_set1_epi64x(first), _mm256_setr_epi64x(0, 2, 1, 3));
  }

  // 16-bit lanes; bytes in memory.
  static Register set_u16(std::uint16_t value) {
    return _mm256_set1_epi16(static_cast<short>(value));
  }
  static Register widen(const std::uint8_t* bytes) {
    return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
  }
  // Clamps to 0..255.
  static void narrow(std::uint8_t* bytes, Register values) {
    const __m256i packed = _mm256_packus_epi16(values, values);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes),
                     _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0b1000)));
  }
  static Register add_i16(Register a, Register b) { return _mm256_add_epi16(a, b); }
  static Register multiply_i16(Register a, Register b) { return _mm256_mullo_epi16(a, b); }
  static Register multiply_upper_u16(Register a, Register b) { return _mm256_mulhi_epu16(a, b); }
  static Register top_bits(Register a) { return _mm256_srli_epi16(a, 15); }
  static Register upper_bytes(Register a) { return _mm256_srli_epi16(a, 8); }

  // Of weigh_row_pairs. Interleaved within 128-bit lanes, and packed so again.
  static Register load_bytes(const std::uint8_t* bytes) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
  }
  static void store_bytes(std::uint8_t* bytes, Register value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(bytes), value);
  }
  static Register unpack_low_u8(Register a, Register b) { return _mm256_unpacklo_epi8(a, b); }
  static Register unpack_high_u8(Register a, Register b) { return _mm256_unpackhi_epi8(a, b); }
  static Register multiply_pairs(Register levels, Register weights) {
    return _mm256_maddubs_epi16(levels, weights);
  }
  static Register pack_u8(Register low, Register high) { return _mm256_packus_epi16(low, high); }

  // -a where the sign bit of `signs` is set. No lane of `a` is above 255.
  static Register negate_i16(Register a, Register signs) {
    const __m256i is_negative = _mm256_srai_epi16(signs, 15);  // -1 or 0
    return _mm256_sub_epi16(_mm256_xor_si256(a, is_negative), is_negative);
  }
};

// AVX2 has no lookups across a register, so lookups in memory are the quickest; four words a load.
void look_up_offsets(const NoiseTable& table, const std::uint16_t* words, std::uint8_t* offsets) {
  const std::uint8_t* entries = table.offsets.data();
  for (int i = 0; i < kNoiseWords; i += 4) {
    std::uint64_t four;
    std::memcpy(&four, words + i, sizeof(four));
    const std::uint32_t first = entries[four & 0x7FFF], second = entries[four >> 16 & 0x7FFF];
    const std::uint32_t third = entries[four >> 32 & 0x7FFF], last = entries[four >> 48 & 0x7FFF];
    const std::uint32_t found = first | second << 8 | third << 16 | last << 24;
    std::memcpy(offsets + i, &found, sizeof(found));
  }
}

}  // namespace

const PerturbKernels& avx2_perturb_kernels() {
  static const PerturbKernels kernels = {"avx2",
                                         pack_rgb,
                                         draw_words_of<Avx2>,
                                         look_up_offsets,
                                         scale_offsets_of<Avx2>,
                                         add_offsets_of<Avx2>,
                                         weigh_rows_of<Avx2>,
                                         weigh_two_rows_of<Avx2>};
  return kernels;
}

}  // namespace vrs
