// Queues the kernels that work on whole images before the fused one: sums of contrast, cells of
// pixelate, blur.
#pragma once

#include <algorithm>

#include "cuda_check.h"
#include "cuda_work.h"
#include "gpu.h"

namespace vrs {

// Each file of kernels has a function that loads all of its own to the current device.
void load_contrast_kernels();
void load_prepare_kernels();

void launch_contrasts(const JobList<ContrastJob>& list, cudaStream_t stream);
void launch_cells(const JobList<CellJob>& list, cudaStream_t stream);
void launch_blurs(const JobList<BlurJob>& list, cudaStream_t stream);

template <typename... Kernels>
void load_kernels(Kernels... kernels) {
  cudaFuncAttributes attributes;
  (check_cuda(cudaFuncGetAttributes(&attributes, kernels), "load a kernel"), ...);
}

// Calls launch(jobs, count) for as many jobs at a time as a grid takes.
template <typename Job, typename Launch>
void for_launches(const JobList<Job>& list, const Launch& launch) {
  for (int begin = 0; begin < list.count; begin += kMaxJobsPerLaunch) {
    cudaGetLastError();  // what other code left there is not this launch's
    launch(list.jobs + begin,
           static_cast<unsigned>(std::min(list.count - begin, kMaxJobsPerLaunch)));
    check_cuda(cudaGetLastError(), "launch a kernel");
  }
}

}  // namespace vrs
