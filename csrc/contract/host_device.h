// Marks functions that run on the host and, where nvcc compiles them, on the GPU as well.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define VRS_HOST_DEVICE __host__ __device__
#define VRS_DEVICE __device__  // on the host only where the tests compile kernels for it
#define GPU_UNROLL _Pragma("unroll")
#define GPU_KEEP_LOOP _Pragma("unroll 1")
#else
#define VRS_HOST_DEVICE
#define VRS_DEVICE
#define GPU_UNROLL
#define GPU_KEEP_LOOP
#endif

namespace vrs {

// One instruction of a GPU, for which nvcc 13.0 makes two.
VRS_HOST_DEVICE inline std::uint64_t multiply_wide(std::uint32_t a, std::uint32_t b) {
#ifdef __CUDA_ARCH__
  std::uint64_t product;
  asm("mul.wide.u32 %0, %1, %2;" : "=l"(product) : "r"(a), "r"(b));
  return product;
#else
  return std::uint64_t{a} * b;
#endif
}

}  // namespace vrs
