// Queues the kernels that work on whole images before the fused one: sums of contrast, cells of
// pixelate. The blur's are in blur_cuda.h.
#pragma once

#include <algorithm>

#include "cuda_check.h"
#include "cuda_work.h"
#include "gpu.h"

namespace vrs {

void launch_contrasts(const JobList<ContrastJob>& list, cudaStream_t stream);
void launch_cells(const JobList<CellJob>& list, cudaStream_t stream);

// Calls launch(jobs, count) for as many jobs at a time as a grid takes.
template <typename Job, typename Launch>
void for_launches(const JobList<Job>& list, const Launch& launch) {
  for (int begin = 0; begin < list.count; begin += kMaxJobsPerLaunch) {
    launch(list.jobs + begin,
           static_cast<unsigned>(std::min(list.count - begin, kMaxJobsPerLaunch)));
    check_cuda(cudaGetLastError(), "launch a kernel");
  }
}

}  // namespace vrs
