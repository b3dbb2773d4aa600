// The inner loops of the costly perturbations in plain C++, and the choice of a set.
#include <algorithm>

#include "noise_ops.h"
#include "noise_tables.h"
#include "perturb_kernels.h"
#include "runtime/cpu_features.h"

namespace vrs {
namespace {

void pack_rgb(const std::uint8_t* rgbx, int count, std::uint8_t* rgb) {
  for (int x = 0; x < count; ++x, rgbx += 4, rgb += 3) {
    rgb[0] = rgbx[0];
    rgb[1] = rgbx[1];
    rgb[2] = rgbx[2];
  }
}

void draw_words(const Philox& philox, int row, int begin, std::uint16_t* words) {
  for (int i = 0; i < kNoiseWords; i += Philox::kWordsPerDraw) {
    const auto drawn = philox.draw_words(row, (begin + i) / Philox::kWordsPerDraw);
    std::copy(drawn.begin(), drawn.end(), words + i);
  }
}

void look_up_offsets(const NoiseTable& table, const std::uint16_t* words, std::uint8_t* offsets) {
  const std::uint8_t* entries = table.offsets.data();
  for (int i = 0; i < kNoiseWords; ++i) offsets[i] = entries[magnitude_bits(words[i])];
}

void scale_offsets(const std::uint16_t* factors, const std::uint8_t* levels, int count,
                   std::uint8_t* offsets) {
  for (int i = 0; i < count; ++i) offsets[i] = scale_offset(levels[i], factors[i]);
}

void add_offsets(const std::uint16_t* words, const std::uint8_t* offsets, int count,
                 std::uint8_t* levels) {
  for (int i = 0; i < count; ++i) {
    levels[i] = add_offset(levels[i], words[i], offsets[i]);
  }
}

void weigh_rows(const std::uint8_t* const* rows, const std::uint16_t* weights, int taps, int count,
                std::uint8_t* out) {
  constexpr int kBlock = 64;
  for (int begin = 0; begin < count; begin += kBlock) {
    const int length = std::min(kBlock, count - begin);
    std::uint16_t sums[kBlock];
    std::fill_n(sums, kBlock, std::uint16_t{128});
    for (int t = 0; t < taps; ++t) {
      const std::uint8_t* row = rows[t] + begin;
      for (int i = 0; i < length; ++i) sums[i] += static_cast<std::uint16_t>(row[i] * weights[t]);
    }
    for (int i = 0; i < length; ++i) out[begin + i] = static_cast<std::uint8_t>(sums[i] >> 8);
  }
}

void weigh_two_rows(const std::uint8_t* const* rows, const std::uint16_t* weights, int taps,
                    int count, std::uint8_t* out, std::uint8_t* next_out) {
  weigh_rows(rows, weights, taps, count, out);
  weigh_rows(rows + 1, weights, taps, count, next_out);
}

}  // namespace

const PerturbKernels& portable_perturb_kernels() {
  static constexpr PerturbKernels kernels = {"portable",      pack_rgb,      draw_words,
                                             look_up_offsets, scale_offsets, add_offsets,
                                             weigh_rows,      weigh_two_rows};
  return kernels;
}

const PerturbKernels& perturb_kernels_for([[maybe_unused]] std::string_view simd) {
#ifdef VRS_HAVE_AVX512VNNI
  if ((simd == "auto" || simd == "avx512vnni") && supports_avx512vnni()) {
    return avx512vnni_perturb_kernels();
  }
#endif
#ifdef VRS_HAVE_AVX2
  if (simd != "portable" && supports_avx2()) return avx2_perturb_kernels();
#endif
  return portable_perturb_kernels();
}

}  // namespace vrs
