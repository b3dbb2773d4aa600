// Counts devices, and says in words that help why there is none.
#include <cstdlib>

#include "cuda_check.h"
#include "preprocess_cuda.h"

namespace vrs {
namespace {

std::string release_of(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// CUDA has one message for a driver that is too old and for none.
std::string explain_driver() {
  int driver = 0, runtime = 0;
  has_succeeded(cudaDriverGetVersion(&driver));
  has_succeeded(cudaRuntimeGetVersion(&runtime));
  if (driver == 0) return "no NVIDIA driver, or none that this process can reach";
  return "the NVIDIA driver goes up to CUDA " + release_of(driver) + ", this build needs CUDA " +
         release_of(runtime) +
         ": update the driver, or install vrs_lmeval again with the nvcc of CUDA " +
         std::to_string(driver / 1000) + " on PATH";
}

std::string explain(cudaError_t error) {
  if (error == cudaErrorInsufficientDriver) return explain_driver();
  std::string reason = cudaGetErrorString(error);
  if (error == cudaErrorNoDevice) {
    const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
    if (visible != nullptr) reason += "; CUDA_VISIBLE_DEVICES is '" + std::string(visible) + "'";
  }
  if (error == cudaErrorInitializationError) {
    reason += ": CUDA was used before this process was forked; start processes by 'spawn'";
  }
  return reason;
}

}  // namespace

int count_cuda_devices(std::string& reason) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (has_succeeded(error) && count > 0) return count;
  reason = error == cudaSuccess ? "no device" : explain(error);
  return 0;
}

}  // namespace vrs
