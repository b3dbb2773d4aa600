// What host code asks of the runtime, and launches that fail or come from several threads at once:
// `runtime` ends with 0 where all is as CUDA has it.
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "cuda/gpu.h"
#include "device_array.h"

static bool all_right = true;

static void expect(bool right, const char* what) {
  if (!right) std::printf("wrong: %s\n", what);
  all_right = all_right && right;
}

__global__ void add(int* values, int addend) {
  GPU_SHARED(int, tile, [32]);
  tile[threadIdx.x] = values[blockIdx.x * 32 + threadIdx.x];
  __syncthreads();
  values[blockIdx.x * 32 + threadIdx.x] = tile[threadIdx.x ^ 1] + addend;
}

static void expect_failed_launches() {
  for (const auto& [grid, block] : std::vector<std::pair<dim3, dim3>>{{0, 32},
                                                                      {1, 0},
                                                                      {1, 1025},
                                                                      {dim3(1, 70000), 32},
                                                                      {dim3(1, 1, 70000), 32},
                                                                      {1, dim3(32, 64)},
                                                                      {1, dim3(1, 1, 65)}}) {
    GPU_LAUNCH(add, grid, block, nullptr, static_cast<int*>(nullptr), 1);
    expect(cudaGetLastError() == cudaErrorInvalidConfiguration,
           "a launch with a bad configuration fails");
    expect(cudaGetLastError() == cudaSuccess, "the last error is given once");
  }
  const cudaError_t error = cudaErrorInvalidConfiguration;
  expect(std::strcmp(cudaGetErrorName(error), "cudaErrorInvalidConfiguration") == 0,
         "errors have CUDA's names");
  expect(std::strcmp(cudaGetErrorString(error), "invalid configuration argument") == 0,
         "errors have CUDA's messages");
  expect(cudaSetDevice(1) == cudaErrorInvalidDevice, "there is one device");
  expect(cudaGetLastError() == cudaErrorInvalidDevice, "a failed call is the last error");
}

static void expect_independent_launches() {
  std::vector<std::thread> threads;
  int sums[4] = {};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t, &sums] {
      DeviceArray<int> values(std::vector<int>(96, t));
      for (int launch = 0; launch < 20; ++launch) GPU_LAUNCH(add, 3, 32, nullptr, values.data(), t);
      for (const int value : values.to_host()) sums[t] += value;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int t = 0; t < 4; ++t)
    expect(sums[t] == 96 * 21 * t, "threads of the system launch at once");
}

static void expect_calls() {
  int device = -1, count = 0;
  expect(cudaGetDeviceCount(&count) == cudaSuccess && count == 1, "one device");
  expect(cudaGetDevice(&device) == cudaSuccess && device == 0, "device 0");
  cudaDeviceProp properties;
  expect(cudaGetDeviceProperties(&properties, 0) == cudaSuccess && properties.name[0] != 0,
         "it has a name");

  unsigned char *pinned = nullptr, *memory = nullptr;
  expect(cudaHostAlloc(&pinned, 300, cudaHostAllocDefault) == cudaSuccess, "cudaHostAlloc");
  expect(cudaMalloc(&memory, 300) == cudaSuccess, "cudaMalloc");
  expect(cudaMemsetAsync(memory, 7, 300, nullptr) == cudaSuccess, "cudaMemsetAsync");
  expect(cudaMemcpyAsync(pinned, memory, 300, cudaMemcpyDefault, nullptr) == cudaSuccess,
         "cudaMemcpyAsync");
  expect(pinned[0] == 7 && pinned[299] == 7, "copied");
  expect(cudaFreeHost(pinned) == cudaSuccess && cudaFree(memory) == cudaSuccess, "freed");

  cudaEvent_t event = nullptr;
  expect(cudaEventCreateWithFlags(&event, cudaEventDisableTiming) == cudaSuccess, "an event");
  expect(cudaEventQuery(event) == cudaSuccess, "ready before it is recorded");
  expect(cudaEventRecord(event, nullptr) == cudaSuccess, "recorded");
  expect(cudaEventQuery(event) == cudaErrorNotReady && cudaEventQuery(event) == cudaErrorNotReady,
         "late");
  expect(cudaEventQuery(event) == cudaSuccess, "ready");
  expect(cudaGetLastError() == cudaSuccess, "not being ready is no error");
  expect(cudaEventDestroy(event) == cudaSuccess, "destroyed");

  cudaStreamCaptureStatus status = cudaStreamCaptureStatusActive;
  expect(cudaStreamIsCapturing(nullptr, &status) == cudaSuccess &&
             status == cudaStreamCaptureStatusNone,
         "no capture");
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  expect(cudaThreadExchangeStreamCaptureMode(&mode) == cudaSuccess &&
             mode == cudaStreamCaptureModeGlobal,
         "exchanged");
  expect(cudaThreadExchangeStreamCaptureMode(&mode) == cudaSuccess &&
             mode == cudaStreamCaptureModeRelaxed,
         "and back");
  expect(cudaStreamSynchronize(nullptr) == cudaSuccess && cudaDeviceSynchronize() == cudaSuccess,
         "synchronised");
}

// To be run with CUDA_ON_CPU_LATE_EVENTS=2.
int main() {
  expect_failed_launches();
  expect_calls();
  expect_independent_launches();
  return all_right ? 0 : 1;
}
