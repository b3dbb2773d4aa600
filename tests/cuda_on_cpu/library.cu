// A kernel behind a C function, for Python to load.
#include "cuda/gpu.h"

// Each block's 32 values, reversed and doubled, in place.
__global__ void double_and_reverse(int* values) {
  GPU_SHARED(int, tile, [32]);
  tile[threadIdx.x] = values[blockIdx.x * 32 + threadIdx.x];
  __syncthreads();
  values[blockIdx.x * 32 + threadIdx.x] = 2 * tile[31 - threadIdx.x];
}

// `values`: 32 * blocks of them, in memory of the host, which device memory is here.
extern "C" void double_reversed(int* values, int blocks) {
  GPU_LAUNCH(double_and_reverse, blocks, 32, nullptr, values);
}
