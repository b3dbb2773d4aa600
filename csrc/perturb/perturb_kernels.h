// The inner loops of the costly perturbations: one set per instruction set, all with equal results.
#pragma once

#include <cstdint>
#include <string_view>

#include "philox.h"

namespace vrs {

struct NoiseTable;  // noise_tables.h

// The largest sigma of a blur, whose taps reach three sigma to both sides: beyond it weights of
// 1/256 are too coarse.
constexpr int kMaxBlurSigma = 10;
constexpr int kMaxBlurTaps = 2 * 3 * kMaxBlurSigma + 1;

// Random words that draw_words gives at once.
constexpr int kNoiseWords = 256;

struct PerturbKernels {
  const char* name;  // of simd_names()

  // `count` pixels of four bytes -> packed RGB.
  void (*pack_rgb)(const std::uint8_t* rgbx, int count, std::uint8_t* rgb);

  // Words `begin` .. begin + kNoiseWords - 1 of a row; `begin` is a multiple of kNoiseWords.
  void (*draw_words)(const Philox& philox, int row, int begin, std::uint16_t* words);

  // offsets[i] = |offset| of words[i], for kNoiseWords of them.
  void (*look_up_offsets)(const NoiseTable& table, const std::uint16_t* words,
                          std::uint8_t* offsets);

  // offsets[i] = levels[i] * factors[i] / kSpeckleUnit, rounded, at most 255; `count` of them.
  void (*scale_offsets)(const std::uint16_t* factors, const std::uint8_t* levels, int count,
                        std::uint8_t* offsets);

  // Adds offsets[i] to levels[i], or subtracts it where the top bit of words[i] is set, and clamps;
  // `count` of them.
  void (*add_offsets)(const std::uint16_t* words, const std::uint8_t* offsets, int count,
                      std::uint8_t* levels);

  // out[i] = (128 + sum over t of rows[t][i] * weights[t]) / 256. The weights sum to 256, so that
  // 16 bits hold the sum.
  void (*weigh_rows)(const std::uint8_t* const* rows, const std::uint16_t* weights, int taps,
                     int count, std::uint8_t* out);

  // As weigh_rows for `rows` and, into `next_out`, for `rows` + 1. `taps` is odd.
  void (*weigh_two_rows)(const std::uint8_t* const* rows, const std::uint16_t* weights, int taps,
                         int count, std::uint8_t* out, std::uint8_t* next_out);
};

// The set for a name of simd_names(); "auto" is the fastest that this processor can run.
const PerturbKernels& perturb_kernels_for(std::string_view simd);

const PerturbKernels& portable_perturb_kernels();
const PerturbKernels& avx2_perturb_kernels();        // only in builds with VRS_HAVE_AVX2
const PerturbKernels& avx512vnni_perturb_kernels();  // only with VRS_HAVE_AVX512VNNI as well

}  // namespace vrs
