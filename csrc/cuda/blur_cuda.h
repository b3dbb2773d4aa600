// Queues the blur's kernels.
#pragma once

#include "cuda_work.h"
#include "gpu.h"

namespace vrs {

void load_blur_kernels();
void launch_blurs(const JobList<BlurJob>& near, const JobList<BlurJob>& wide, cudaStream_t stream);

}  // namespace vrs
