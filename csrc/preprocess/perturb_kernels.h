// The inner loops of the costly perturbations, a set per instruction set, all of equal results.
#pragma once

#include <cstdint>
#include <string_view>

#include "philox.h"

namespace vrs {

struct PerturbKernels {
  // `count` pixels of four bytes -> packed RGB.
  void (*pack_rgb)(const std::uint8_t* rgbx, int count, std::uint8_t* rgb);

  // Adds offsets[u & 0x7FFF] to each of `count` levels of row `y`, or subtracts it where the top
  // bit of u is set, and clamps; u are the row's random words.
  void (*add_noise)(const Philox& philox, int y, const std::uint8_t* offsets, int count,
                    std::uint8_t* levels);

  // out[i] = (128 + sum over t of rows[t][i] * weights[t]) / 256. The weights sum to 256, so that
  // 16 bits hold the sum.
  void (*weigh_rows)(const std::uint8_t* const* rows, const std::uint16_t* weights, int taps,
                     int count, std::uint8_t* out);
};

// The set for a name of simd_names(); "auto" is the fastest that this processor can run.
const PerturbKernels& perturb_kernels_for(std::string_view simd);

const PerturbKernels& portable_perturb_kernels();
const PerturbKernels& avx2_perturb_kernels();        // only in builds with VRS_HAVE_AVX2
const PerturbKernels& avx512vnni_perturb_kernels();  // only with VRS_HAVE_AVX512VNNI as well

}  // namespace vrs
