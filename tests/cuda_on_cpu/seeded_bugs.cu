// Kernels with one bug each, which test_cuda_on_cpu.py expects to be caught: `seeded_bugs NAME`
// runs one and ends with 0 where the result is right all the same, with 1 where it is not.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <vector>

#include "cuda/gpu.h"
#include "cuda/tensor_core.h"
#include "device_array.h"

namespace {

constexpr int kThreads = 64;

struct Values {
  const int* input;
  int* output;
};

}  // namespace

// --- what happens in no order ---

// Reverses each block's values through shared memory.
__global__ void missing_barrier(Values values) {
  GPU_SHARED(int, tile, [kThreads]);
  const int first = blockIdx.x * kThreads, thread = threadIdx.x;
  tile[thread] = values.input[first + thread];
  // __syncthreads();
  values.output[first + thread] = tile[kThreads - 1 - thread];
}

// Adds up the reversed halves; the second is written while the first may still be read.
__global__ void write_after_read(Values values) {
  GPU_SHARED(int, tile, [kThreads]);
  const int thread = threadIdx.x;
  int sum = 0;
  for (int round = 0; round < 2; ++round) {
    tile[thread] = values.input[round * kThreads + thread];
    __syncthreads();
    sum += tile[kThreads - 1 - thread];
    // __syncthreads();
  }
  values.output[blockIdx.x * kThreads + thread] = sum;
}

// Each block writes its own cells and, after the last barrier, the first one of the block below in
// a grid that is 4 blocks wide.
__global__ void two_blocks_one_cell(Values values) {
  const int block = blockIdx.y * gridDim.x + blockIdx.x, thread = threadIdx.x;
  __syncthreads();
  values.output[block * kThreads + thread] = block;
  if (thread == 0 && blockIdx.y + 1 < gridDim.y)
    values.output[(block + gridDim.x) * kThreads] = block;
}

__global__ void plain_sum(Values values) {
  values.output[0] += values.input[blockIdx.x * kThreads + threadIdx.x];  // not atomicAdd
}

// Lanes hand values over in shared memory; a shuffle, unlike __syncwarp, orders no accesses.
__global__ void shuffle_as_barrier(Values values) {
  GPU_SHARED(int, tile, [kThreads]);
  const int thread = threadIdx.x;
  tile[thread] = values.input[thread];
  __shfl_sync(0xFFFFFFFF, 0, 0);
  values.output[thread] = tile[thread ^ 1];
}

// --- what is out of bounds or undefined ---

__global__ void shared_index_overrun(Values values) {
  GPU_SHARED(int, tile, [kThreads]);
  tile[threadIdx.x + 1] = values.input[threadIdx.x];
  __syncthreads();
  values.output[threadIdx.x] = tile[threadIdx.x];
}

__device__ void store(int* tile, int i, int value) {
  tile[i] = value;
}

// The compiler does not see the array's length any more.
__global__ void shared_pointer_overrun(Values values) {
  GPU_SHARED(int, tile, [kThreads]);
  int* volatile somewhere = tile;
  store(somewhere, threadIdx.x + 1, values.input[threadIdx.x]);
  __syncthreads();
  values.output[threadIdx.x] = threadIdx.x == 0 ? 0 : somewhere[threadIdx.x];
}

__global__ void global_overrun(Values values) {
  const int i = blockIdx.x * kThreads + threadIdx.x;
  values.output[i] = values.input[i + 1];
}

__global__ void local_overrun(Values values) {
  int own[4] = {1, 2, 3, 4};
  int* volatile somewhere = own;
  values.output[threadIdx.x] = somewhere[threadIdx.x % 5];
}

__global__ void shift_too_far(Values values) {
  values.output[threadIdx.x] = static_cast<unsigned>(values.input[threadIdx.x])
                               << (threadIdx.x + 1);
}

__global__ void misaligned_read(Values values) {
  GPU_SHARED(unsigned char, bytes, [4 * kThreads]);
  for (int i = 0; i < 4; ++i) bytes[4 * threadIdx.x + i] = 0;
  values.output[threadIdx.x] = *reinterpret_cast<const int*>(&bytes[4 * threadIdx.x]);
}

// --- what nobody wrote ---

__global__ void uninitialised_shared(Values values) {
  GPU_SHARED(float, tile, [kThreads]);
  if (threadIdx.x != 0) tile[threadIdx.x] = 1;
  __syncthreads();
  values.output[threadIdx.x] = std::isnan(tile[threadIdx.x] + values.input[0]) ? -1 : 1;
}

// --- whom one waits for in vain ---

__global__ void divergent_barrier(Values values) {
  if (threadIdx.x % 2 == 0) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  values.output[threadIdx.x] = 0;
}

__global__ void exit_before_barrier(Values values) {
  if (blockIdx.x == 1 && threadIdx.x == 5) return;
  __syncthreads();
  values.output[threadIdx.x] = 0;
}

__global__ void shuffle_with_absent_lanes(Values values) {
  int value = threadIdx.x;
  if (threadIdx.x < 40) value = __shfl_down_sync(0xFFFFFFFF, value, 1);
  values.output[threadIdx.x] = value;
}

__global__ void shuffle_from_unnamed_lane(Values values) {
  int value = threadIdx.x;
  if (threadIdx.x % 32 < 8) value = __shfl_sync(0xFF, value, 8);
  values.output[threadIdx.x] = value;
}

__global__ void shuffle_of_others(Values values) {
  int value = threadIdx.x;
  if (threadIdx.x % 32 == 8) value = __shfl_sync(0xFF, value, 0);
  values.output[threadIdx.x] = value;
}

__global__ void product_with_absent_lanes(Values values) {
  vrs::TileSums sums = {};
  if (threadIdx.x != 40) vrs::add_product<std::uint8_t>(sums, {}, {});
  values.output[threadIdx.x] = sums.values[0];
}

__global__ void too_much_shared_memory(Values values) {
  GPU_SHARED(int, tile, [12 * 1024]);
  GPU_SHARED(int, one_more, );
  tile[threadIdx.x] = one_more = 0;
  values.output[threadIdx.x] = tile[threadIdx.x] + one_more;
}

static int expected_value(const char* name, int i, const std::vector<int>& input) {
  const auto is = [name](const char* other) { return std::strcmp(name, other) == 0; };
  const int thread = i % kThreads;
  if (is("missing_barrier")) return input[i - thread + kThreads - 1 - thread];
  if (is("write_after_read"))
    return input[kThreads - 1 - thread] + input[2 * kThreads - 1 - thread];
  if (is("two_blocks_one_cell")) return i / kThreads;
  if (is("plain_sum")) return i == 0 ? std::accumulate(input.begin(), input.end(), -2) : -2;
  if (is("shuffle_as_barrier")) return i < kThreads ? input[thread ^ 1] : -2;
  if (is("uninitialised_shared")) return i < kThreads ? 1 : -2;
  return -3;  // the others are to be caught before anybody looks
}

int main(int argc, char** argv) {
  constexpr int kBlocks = 12;
  std::vector<int> input(kBlocks * kThreads);
  for (int i = 0; i < kBlocks * kThreads; ++i) input[i] = i * i % 1009;
  DeviceArray<int> device_input(input), output(std::vector<int>(input.size(), -2));
  const Values values{device_input.data(), output.data()};
  const char* name = argc > 1 ? argv[1] : "";
  bool found = false;
#define RUN(kernel, grid)                                \
  if (std::strcmp(name, #kernel) == 0) {                 \
    GPU_LAUNCH(kernel, grid, kThreads, nullptr, values); \
    found = true;                                        \
  }
  RUN(missing_barrier, kBlocks)
  RUN(write_after_read, kBlocks)
  RUN(two_blocks_one_cell, dim3(4, 3))
  RUN(plain_sum, kBlocks)
  RUN(shuffle_as_barrier, 1)
  RUN(shared_index_overrun, 1)
  RUN(shared_pointer_overrun, 1)
  RUN(global_overrun, kBlocks)
  RUN(local_overrun, 1)
  RUN(shift_too_far, 1)
  RUN(misaligned_read, 1)
  RUN(uninitialised_shared, 1)
  RUN(divergent_barrier, 1)
  RUN(exit_before_barrier, 2)
  RUN(shuffle_with_absent_lanes, 1)
  RUN(shuffle_from_unnamed_lane, 1)
  RUN(shuffle_of_others, 1)
  RUN(product_with_absent_lanes, 1)
  RUN(too_much_shared_memory, 1)
  if (!found) return 3;
  check(cudaDeviceSynchronize());
  const std::vector<int> result = output.to_host();
  for (int i = 0; i < kBlocks * kThreads; ++i) {
    if (result[i] != expected_value(name, i, input)) return 1;
  }
  return 0;
}
