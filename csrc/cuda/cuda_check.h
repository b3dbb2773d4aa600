// Turns CUDA's error codes into exceptions with CUDA's own message.
//
// CUDA also keeps a failed call's error for the thread until cudaGetLastError() gives it: whoever
// asks next, perhaps other code than ours after a launch of its own, would take it for that.
#pragma once

#include <stdexcept>
#include <string>

#include "gpu.h"

namespace vrs {

// Whether the call succeeded; CUDA forgets that it did not.
inline bool has_succeeded(cudaError_t error) {
  if (error == cudaSuccess) return true;
  cudaGetLastError();
  return false;
}

// `action` completes "could not ...".
inline void check_cuda(cudaError_t error, const char* action) {
  if (has_succeeded(error)) return;
  throw std::runtime_error(std::string("CUDA could not ") + action + ": " +
                           cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")");
}

}  // namespace vrs
