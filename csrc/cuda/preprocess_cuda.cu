// The order in which a request's kernels are queued, and the devices that there are.
#include "blur_cuda.h"
#include "cuda_check.h"
#include "cuda_layout.h"
#include "cuda_work.h"
#include "gpu.h"
#include "pinned_memory.h"
#include "prepare_cuda.h"
#include "preprocess_cuda.h"
#include "resample_cuda.h"

namespace vrs {
namespace {

// Makes `device` the one that this thread's CUDA calls mean, during this object's life.
class CurrentDevice {
 public:
  explicit CurrentDevice(int device) {
    check_cuda(cudaGetDevice(&previous_), "tell the current device");
    check_cuda(cudaSetDevice(device), "choose the device");
  }
  ~CurrentDevice() { cudaSetDevice(previous_); }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  int previous_ = 0;
};

// Every launch of the graph would read the pixels of the time when it was captured.
void refuse_captured_uploads(const Request& request, cudaStream_t stream) {
  if (!is_capturing(stream)) return;
  for (std::size_t i = 0; i < request.images.size(); ++i) {
    if (request.images[i].is_on_device) continue;
    throw std::invalid_argument("images[" + std::to_string(i) +
                                "]: while a CUDA graph is captured, images must lie on the device");
  }
}

}  // namespace

void preprocess_cuda(const Request& request, const CudaTarget& target, void* out) {
  const CurrentDevice current(target.device);
  const auto stream = static_cast<cudaStream_t>(target.stream);
  refuse_captured_uploads(request, stream);
  WorkLayout layout(request);
  void* device = target.allocate(layout.device_bytes());
  const PinnedMemory pinned(layout.upload_bytes(), stream);
  const CudaWork work =
      layout.write(pinned.bytes(), reinterpret_cast<std::uintptr_t>(device), out, target.threads);
  check_cuda(cudaMemcpyAsync(device, pinned.bytes(), layout.upload_bytes(), cudaMemcpyHostToDevice,
                             stream),
             "copy the images to the device");
  launch_contrasts(work.contrasts, stream);
  launch_cells(work.cells, stream);
  launch_blurs(work.near_blurs, work.wide_blurs, stream);
  launch_resamples<std::uint8_t>(work.reductions, stream);
  launch_resamples<std::uint8_t>(work.enlargements, stream);
  if (request.output_type == OutputType::bfloat16) {
    launch_resamples<std::uint16_t>(work.resamples, stream);
  } else {
    launch_resamples<float>(work.resamples, stream);
  }
}

int count_cuda_devices(std::string& reason) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count > 0) return count;
  cudaGetLastError();  // clears the error: the next launch would report it as its own
  reason = error == cudaSuccess ? "no device" : cudaGetErrorString(error);
  return 0;
}

}  // namespace vrs
