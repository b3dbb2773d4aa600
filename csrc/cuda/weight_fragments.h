// Weights in the order that the products of tensor_core.h read: fragments of 16 outputs x 32
// sources, 16 bytes a lane, so that a warp reads one in a single wide load.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "perturb/perturb_kernels.h"

namespace vrs {

constexpr int kFragmentOutputs = 16;
constexpr int kFragmentSources = 32;
constexpr std::size_t kFragmentBytes = std::size_t{1} * kFragmentOutputs * kFragmentSources;

// Margins of the two kinds of blur: a filter takes the narrower one that holds half of it.
constexpr int kNearBlurReach = 8;
constexpr int kWideBlurReach = 32;
static_assert(kMaxBlurTaps / 2 <= kWideBlurReach);

// Fragments that 16 outputs and their margins take.
constexpr int blur_steps(int reach) {
  return (kFragmentOutputs + 2 * reach + kFragmentSources - 1) / kFragmentSources;
}

// The band of weights of 16 neighbouring outputs, in blur_steps(reach) fragments. Source 0 is
// `reach` before output 0. `weights`: an odd number of at least 3, so that each is under 256.
std::vector<std::uint8_t> pack_blur(const std::vector<std::uint16_t>& weights, int reach);

}  // namespace vrs
