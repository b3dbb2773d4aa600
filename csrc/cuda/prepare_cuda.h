// Queues the kernels that work on whole images before the fused one: sums of contrast, cells of
// pixelate. The blur's are in blur_cuda.h.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include "cuda_check.h"
#include "cuda_work.h"
#include "gpu.h"

namespace vrs {

// Each file of kernels has a function that loads all of its own to the current device.
void load_contrast_kernels();
void load_prepare_kernels();

void launch_contrasts(const JobList<ContrastJob>& list, cudaStream_t stream);
void launch_cells(const JobList<CellJob>& list, cudaStream_t stream);

inline void check_load(cudaError_t error) {
  if (error != cudaErrorNoKernelImageForDevice) return check_cuda(error, "load a kernel");
  has_succeeded(error);
  throw std::runtime_error(
      "this build of vrs_lmeval has no code for this GPU: install it again with an nvcc that knows "
      "the GPU, and without CMAKE_CUDA_ARCHITECTURES");
}

template <typename... Kernels>
void load_kernels(Kernels... kernels) {
  cudaFuncAttributes attributes;
  (check_load(cudaFuncGetAttributes(&attributes, kernels)), ...);
}

// Calls launch(jobs, grid) for as many jobs at a time as a grid takes; grid.x is the most blocks
// that one of them needs, by count_blocks(size), and grid.y their number. Jobs that need less than
// half of the most have a launch of their own: fewer blocks begin for nothing than for work.
template <typename Job, typename CountBlocks, typename Launch>
void for_launches(const JobList<Job>& list, const CountBlocks& count_blocks, const Launch& launch) {
  const auto count = list.sizes.size();
  for (std::size_t begin = 0, end = 0; begin < count; begin = end) {
    std::int64_t most = count_blocks(list.sizes[begin]), least = most;
    for (end = begin + 1; end < count && end < begin + kMaxJobsPerLaunch; ++end) {
      const std::int64_t blocks = count_blocks(list.sizes[end]);
      if (std::max(most, blocks) > 2 * std::min(least, blocks)) break;
      most = std::max(most, blocks);
      least = std::min(least, blocks);
    }
    cudaGetLastError();  // what other code left there is not this launch's
    launch(list.jobs + begin,
           dim3(static_cast<unsigned>(most), static_cast<unsigned>(end - begin)));
    check_cuda(cudaGetLastError(), "launch a kernel");
  }
}

// How many tiles of height x width cover `size`.
inline std::int64_t count_tiles(const Size& size, int height, int width) {
  return std::int64_t{(size.height + height - 1) / height} * ((size.width + width - 1) / width);
}

}  // namespace vrs
