// A resample plan, with its weights in the form that one set of kernels reads; kept for reuse.
#pragma once

#include <memory>

#include "contract/preprocess.h"
#include "resample_kernels.h"
#include "resample_plan.h"

namespace vrs {

struct CpuPlan {
  const ResampleKernels* kernels = nullptr;  // the set that was asked for, or its narrow variant
  ResamplePlan resample;
  PackedAxis rows;
  PackedAxis columns;
};

// The plan, from the cache or new. `height` x `width`: the size after pad_to_square. Thread-safe.
std::shared_ptr<const CpuPlan> find_cpu_plan(const Geometry& geometry, int height, int width,
                                             const ResampleKernels& kernels);

}  // namespace vrs
