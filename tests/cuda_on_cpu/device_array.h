// An array in device memory for the test programs of this folder: filled from the host, read back
// by to_host.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "cuda/gpu.h"

inline void check(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", cudaGetErrorName(error), cudaGetErrorString(error));
  std::exit(2);
}

template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(const std::vector<T>& values) : count_(values.size()) {
    check(cudaMalloc(&data_, count_ * sizeof(T)));
    check(
        cudaMemcpyAsync(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice, nullptr));
  }
  ~DeviceArray() { check(cudaFree(data_)); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() { return data_; }

  std::vector<T> to_host() const {
    std::vector<T> values(count_);
    check(
        cudaMemcpyAsync(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost, nullptr));
    check(cudaStreamSynchronize(nullptr));
    return values;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};
