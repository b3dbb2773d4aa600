// Weights in the order that the products of tensor_core.h read: fragments of 16 outputs x 32
// sources, 16 bytes a lane, so that a warp reads one in a single wide load.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "perturb/perturb_kernels.h"
#include "resample/cpu_plan.h"

namespace vrs {

constexpr int kFragmentOutputs = 16;
constexpr int kFragmentSources = 32;
constexpr std::size_t kFragmentBytes = std::size_t{1} * kFragmentOutputs * kFragmentSources;

// A weight w of up to 22 bits is d0 + 256 d1 + 65536 d2, each an int8. A digit's sum is under 2^31:
// 128 * 255 * kMaxEdge.
constexpr int kDigits = 3;

// The first pass of the resize takes groups of 16 outputs two at a time, and reads windows of the
// sources of so many fragments.
constexpr int kGroupsAlong = 2;
constexpr int kWindowSteps = 4;

// One axis of a resize: groups of 16 neighbouring places of the canvas, which the crop cuts out of
// the resized image and zeros around it.
struct AxisFragments {
  std::vector<std::uint8_t> fragments;  // [group][step][digit]; weights of 0 where no output is
  std::vector<std::int32_t> begins;     // the source that a group's first fragment begins with
  std::vector<std::int32_t> ends;       // behind the last source that the group reads
  int steps = 0;                        // fragments of a group
  bool pairs_fit = false;               // any two groups of a tile read one window
};

// Where the groups' sources may begin: at `phase` plus a multiple of `multiple`, a power of two.
// The kernel reads words, so that the first pass asks for 4, and columns in runs of 8.
struct SourceGrid {
  int multiple = 1;
  int phase = 0;
};

// The fragments of a plan's rows or columns for `canvas` places, from the cache or new.
// Thread-safe.
std::shared_ptr<const AxisFragments> find_fragments(const std::shared_ptr<const CpuPlan>& plan,
                                                    bool is_rows, int canvas,
                                                    const SourceGrid& grid);

// Margins of the two kinds of blur: a filter takes the narrower one that holds half of it.
constexpr int kNearBlurReach = 8;
constexpr int kWideBlurReach = 32;
constexpr int kNearBlurWidth = 64;  // of their tiles
constexpr int kWideBlurWidth = 32;
static_assert(kMaxBlurTaps / 2 <= kWideBlurReach);

// Fragments that 16 outputs and their margins take.
constexpr int blur_steps(int reach) {
  return (kFragmentOutputs + 2 * reach + kFragmentSources - 1) / kFragmentSources;
}

// The band of weights of 16 neighbouring outputs, in blur_steps(reach) fragments. Source 0 is
// `reach` before output 0. `weights`: an odd number of at least 3, so that each is under 256.
std::vector<std::uint8_t> pack_blur(const std::vector<std::uint16_t>& weights, int reach);

}  // namespace vrs
