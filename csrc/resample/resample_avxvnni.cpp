// The inner loops for AVX-VNNI, which processors without AVX-512 have: eight lanes.
#include <immintrin.h>

#include <cstddef>
#include <cstring>

#include "resample_kernels.h"
#include "resample_vnni.h"

// For tests on processors with AVX-512, which has the same instruction in another encoding.
#ifdef VRS_AVXVNNI_IN_AVX512_ENCODING
#define VRS_VEX ""
#else
#define VRS_VEX "%{vex%} "
#endif

namespace vrs {
namespace {

struct AvxVnni;

constexpr int kRows = 8;
constexpr int kChannels = 3;

// Four pixels of each of eight rows -> one column group. Reads 16 bytes of each row.
template <int channels>
inline void pack_four_pixels(const std::uint8_t* const* rows, std::ptrdiff_t offset,
                             std::int32_t* strip) {
  constexpr int n = channels;
  const __m256i planar =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, n, 2 * n, 3 * n, 1, n + 1, 2 * n + 1, 3 * n + 1,
                                                2, n + 2, 2 * n + 2, 3 * n + 2, -1, -1, -1, -1));
  const auto load = [=](int row) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[row] + offset));
  };
  __m256i quads[4];  // per 128-bit half one row: four levels of red, of green, of blue
  for (int r = 0; r < 4; ++r) {
    const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(load(r)), load(r + 4), 1);
    quads[r] = _mm256_shuffle_epi8(both, planar);
  }
  const __m256i low01 = _mm256_unpacklo_epi32(quads[0], quads[1]);
  const __m256i low23 = _mm256_unpacklo_epi32(quads[2], quads[3]);
  const __m256i high01 = _mm256_unpackhi_epi32(quads[0], quads[1]);
  const __m256i high23 = _mm256_unpackhi_epi32(quads[2], quads[3]);
  const auto store = [=](int channel, __m256i cells) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(strip + channel * kRows), cells);
  };
  store(0, _mm256_unpacklo_epi64(low01, low23));
  store(1, _mm256_unpackhi_epi64(low01, low23));
  store(2, _mm256_unpacklo_epi64(high01, high23));
}

template <int channels>
void pack_strip_of(const std::uint8_t* const* rows, int pixels, std::int32_t* strip) {
  constexpr std::ptrdiff_t kStep = 4 * channels;
  const std::ptrdiff_t bytes = static_cast<std::ptrdiff_t>(pixels) * channels;
  std::ptrdiff_t offset = 0;
  for (; offset + 16 <= bytes; offset += kStep, strip += kChannels * kRows) {
    pack_four_pixels<channels>(rows, offset, strip);
  }
  pack_tail<AvxVnni, channels>(rows, offset, bytes, strip, pack_four_pixels<channels>);
}

struct AvxVnni {  // the operations are described in resample_avx512vnni.cpp
  using Register = __m256i;
  static constexpr const char* kName = "avxvnni";

  static Register load(const void* source) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(source));
  }
  static void store(void* target, Register value) {
    _mm256_storeu_si256(static_cast<__m256i*>(target), value);
  }
  static void store_half(void* target, Register value) {
    _mm_storeu_si128(static_cast<__m128i*>(target), _mm256_castsi256_si128(value));
  }
  static Register set_i32(std::int32_t value) { return _mm256_set1_epi32(value); }
  static Register add_i32(Register a, Register b) { return _mm256_add_epi32(a, b); }
  template <int bits>
  static Register shift_left(Register a) {
    return _mm256_slli_epi32(a, bits);
  }
  static Register shift_right(Register a, __m128i bits) { return _mm256_sra_epi32(a, bits); }
  static Register add_products(Register sum, Register levels, Register weights) {
    __asm__(VRS_VEX "vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(levels), "x"(weights));
    return sum;
  }
  static Register pack_levels(Register a, Register b, Register c, Register d) {
    return _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
  }
  static Register in_order(Register packed) {
    return _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  }
  static void store_quarters(Register value, std::uint8_t* const* targets, std::ptrdiff_t offset) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(targets[0] + offset),
                     _mm256_castsi256_si128(value));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(targets[1] + offset),
                     _mm256_extracti128_si256(value, 1));
  }

  static void pack_strip(const std::uint8_t* const* rows, int channels, int pixels,
                         std::int32_t* strip) {
    channels == 3 ? pack_strip_of<3>(rows, pixels, strip) : pack_strip_of<4>(rows, pixels, strip);
  }
  static void look_up(const std::uint8_t* levels, int count, const LevelTable& table, float* out) {
    avx2_kernels().look_up(levels, count, table, out);
  }
  static void look_up_bfloat16(const std::uint8_t* levels, int count, const LevelTable& table,
                               std::uint16_t* out) {
    avx2_kernels().look_up_bfloat16(levels, count, table, out);
  }
};

}  // namespace

const ResampleKernels& avxvnni_kernels() {
  static constexpr ResampleKernels narrow = vnni_kernels<AvxVnni, 2>(nullptr);
  static constexpr ResampleKernels wide = vnni_kernels<AvxVnni, 3>(&narrow);
  return wide;
}

}  // namespace vrs
