// From a geometry and an image size to integer coefficients and bounds, once for every backend.
#pragma once

#include <cstdint>
#include <vector>

#include "contract/pixel_ops.h"
#include "contract/preprocess.h"

namespace vrs {

// One axis of the resize, restricted to the outputs that the crop keeps.
// Output i (of `outputs`) is the sum over t < count[i] of source[first[i] + t] * weights[i * taps +
// t], plus half of 1 << coefficient_bits, shifted right by coefficient_bits and clamped.
struct AxisPlan {
  int coefficient_bits = kCoefficientBits;
  int outputs = 0;        // kept outputs
  int canvas_offset = 0;  // where the first kept output lies in the crop window (> 0: zero padding)
  int taps = 0;           // row length of `weights`; unused entries are 0
  std::vector<std::int32_t> first;
  std::vector<std::int32_t> count;
  std::vector<std::int32_t> weights;
  int source_begin = 0;  // the sources that the kept outputs read: [source_begin, source_end)
  int source_end = 0;
};

struct ResamplePlan {
  int height = 0;  // the resized image, before the crop
  int width = 0;
  bool vertical_first = false;
  bool keeps_uniform = false;  // a uniform image stays uniform at the same level in both passes
  AxisPlan rows;
  AxisPlan columns;
};

// `height` x `width`: the image as the resize sees it, that is after pad_to_square.
ResamplePlan plan_resample(const Geometry& geometry, int height, int width);

// True if `kind` gives a uniform image whose outputs all have its colour, so that no resize is
// needed. `size`: of the perturbed image.
bool stays_uniform(const ResamplePlan& plan, const Geometry& geometry, const Size& size,
                   PerturbationKind kind);

// The largest magnitude of all weights: small weights cost the kernels fewer steps.
std::int32_t largest_weight(const ResamplePlan& plan);

}  // namespace vrs
