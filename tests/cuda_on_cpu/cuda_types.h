// CUDA's built-in types and variables, as far as our kernels use them.
#pragma once

#include <cstdint>

#define CUDA_ON_CPU_VECTOR2(name, type)     \
  struct alignas(2 * sizeof(type)) name {   \
    type x, y;                              \
  };                                        \
  inline name make_##name(type x, type y) { \
    return name{x, y};                      \
  }
#define CUDA_ON_CPU_VECTOR4(name, type)                     \
  struct alignas(4 * sizeof(type)) name {                   \
    type x, y, z, w;                                        \
  };                                                        \
  inline name make_##name(type x, type y, type z, type w) { \
    return name{x, y, z, w};                                \
  }
CUDA_ON_CPU_VECTOR2(int2, int)
CUDA_ON_CPU_VECTOR2(uint2, unsigned)
CUDA_ON_CPU_VECTOR2(float2, float)
CUDA_ON_CPU_VECTOR4(int4, int)
CUDA_ON_CPU_VECTOR4(uint4, unsigned)
CUDA_ON_CPU_VECTOR4(float4, float)
CUDA_ON_CPU_VECTOR4(uchar4, unsigned char)
#undef CUDA_ON_CPU_VECTOR2
#undef CUDA_ON_CPU_VECTOR4

struct uint3 {
  unsigned x, y, z;
};
inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) {
  return uint3{x, y, z};
}

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
};

// Set by the scheduler before it goes on with a thread. One copy for each operating-system thread,
// as each may launch; initial-exec, because a general look-up would cost a call for every read in a
// shared library.
#define CUDA_ON_CPU_BUILT_IN extern __thread __attribute__((tls_model("initial-exec")))
CUDA_ON_CPU_BUILT_IN uint3 threadIdx;
CUDA_ON_CPU_BUILT_IN uint3 blockIdx;
CUDA_ON_CPU_BUILT_IN dim3 blockDim;
CUDA_ON_CPU_BUILT_IN dim3 gridDim;
#undef CUDA_ON_CPU_BUILT_IN
constexpr int warpSize = 32;
