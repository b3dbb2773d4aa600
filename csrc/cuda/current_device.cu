// Chooses a device, and asks the driver whether a device is in use.
#include "cuda_check.h"
#include "current_device.h"

namespace vrs {
namespace {

// cuDevicePrimaryCtxGetState of the driver, to which this module is not linked.
using GetContextState = int (*)(int device, unsigned* flags, int* is_active);

GetContextState find_get_context_state() {
  void* found = nullptr;
  constexpr char kName[] = "cuDevicePrimaryCtxGetState";
#if CUDART_VERSION >= 12050
  constexpr unsigned kSince = 7000;
  has_succeeded(cudaGetDriverEntryPointByVersion(kName, &found, kSince, cudaEnableDefault));
#elif CUDART_VERSION >= 12000
  has_succeeded(cudaGetDriverEntryPoint(kName, &found, cudaEnableDefault));
#endif
  return reinterpret_cast<GetContextState>(found);
}

// Whether choosing the device again makes nothing new there.
bool is_in_use(int device) {
  static const GetContextState get_context_state = find_get_context_state();
  if (get_context_state == nullptr)
    return true;  // a runtime that makes no context, or nobody knows
  unsigned flags = 0;
  int is_active = 0;
  return get_context_state(device, &flags, &is_active) != 0 || is_active != 0;
}

}  // namespace

CurrentDevice::CurrentDevice(int device) {
  check_cuda(cudaGetDevice(&previous_), "tell the current device");
  is_changed_ = previous_ != device;
  if (is_changed_) check_cuda(cudaSetDevice(device), "choose the device");
}

CurrentDevice::~CurrentDevice() {
  if (is_changed_ && is_in_use(previous_)) has_succeeded(cudaSetDevice(previous_));
}

}  // namespace vrs
