// Turns CUDA's error codes into exceptions with CUDA's own message.
#pragma once

#include <stdexcept>
#include <string>

#include "gpu.h"

namespace vrs {

// `action` completes "could not ...".
inline void check_cuda(cudaError_t error, const char* action) {
  if (error == cudaSuccess) return;
  throw std::runtime_error(std::string("CUDA could not ") + action + ": " +
                           cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")");
}

}  // namespace vrs
