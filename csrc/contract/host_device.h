// Marks functions that run on the host and, where nvcc compiles them, on the GPU as well.
#pragma once

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
