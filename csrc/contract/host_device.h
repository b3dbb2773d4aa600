// Marks functions that run on the host and, where nvcc compiles them, on the GPU as well.
#pragma once

#ifdef __CUDACC__
#define VRS_HOST_DEVICE __host__ __device__
#else
#define VRS_HOST_DEVICE
#endif
