// Queues the fused kernel.
#pragma once

#include "cuda_work.h"
#include "gpu.h"

namespace vrs {

void load_resample_kernels();

// Value: float, std::uint16_t for the bits of bfloat16, or std::uint8_t for levels as packed RGB.
template <typename Value>
void launch_resamples(const JobList<ResampleJob>& list, cudaStream_t stream);

}  // namespace vrs
