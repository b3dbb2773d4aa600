// The language of kernel sources: CUDA, with macros for launches and shared memory, so that the
// tests can also compile the kernels for the host (tests/cuda_on_cpu).
#pragma once

#include "contract/host_device.h"

#ifdef VRS_CUDA_ON_CPU
#include "cuda_on_cpu.h"
#else
#include <cuda_runtime.h>

// Launches a kernel; put it in parentheses if it has template arguments. cudaGetLastError() tells
// whether the launch failed.
#define GPU_LAUNCH(kernel, grid, block, stream, ...) \
  kernel<<<(grid), (block), 0, (stream)>>>(__VA_ARGS__)

// GPU_SHARED(float, tile, [16][33]): shared memory of a block, uninitialised.
#define GPU_SHARED(type, name, extents) __shared__ type name extents
#endif

namespace vrs {

constexpr int kWarp = 32;
constexpr unsigned kWholeWarp = 0xFFFFFFFF;

}  // namespace vrs
