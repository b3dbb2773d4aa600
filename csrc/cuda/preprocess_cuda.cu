// The order in which a request's kernels are queued.
#include <atomic>
#include <cstdint>

#include "blur_cuda.h"
#include "capture.h"
#include "cuda_check.h"
#include "cuda_layout.h"
#include "cuda_work.h"
#include "current_device.h"
#include "gpu.h"
#include "pinned_memory.h"
#include "prepare_cuda.h"
#include "preprocess_cuda.h"
#include "resample_cuda.h"

namespace vrs {
namespace {

// Loads every kernel to the current device once. CUDA would do so at a kernel's first launch, which
// fails if the stream is captured.
void load_all_kernels(int device) {
  static std::atomic<std::uint64_t> loaded{0};  // a bit for each device; beyond them: every time
  const std::uint64_t bit = device < 64 ? std::uint64_t{1} << device : 0;
  if ((loaded & bit) != 0) return;
  const RelaxedCapture relaxed;
  load_contrast_kernels();
  load_prepare_kernels();
  load_blur_kernels();
  load_resample_kernels();
  loaded |= bit;
}

// Every launch of the graph would read the pixels of the time when it was captured.
void refuse_captured_uploads(const Request& request, cudaStream_t stream) {
  if (!is_capturing(stream)) return;
  for (std::size_t i = 0; i < request.images.size(); ++i) {
    if (request.images[i].is_on_device) continue;
    throw std::invalid_argument("images[" + std::to_string(i) +
                                "]: while a CUDA graph is captured, images must lie on the device");
  }
}

// Queues the transfer of all pieces: each is packed while the ones before are transferred.
CudaWork upload(WorkLayout& layout, std::uint8_t* device, void* out, const CudaTarget& target) {
  const auto stream = static_cast<cudaStream_t>(target.stream);
  CudaWork work;
  for (const UploadPiece& piece : layout.upload()) {
    const PinnedMemory pinned(piece.bytes, stream);
    if (piece.begin == 0) {
      work = layout.write(pinned.bytes(), reinterpret_cast<std::uintptr_t>(device), out);
    }
    pack_rows(piece, pinned.bytes(), target.threads);
    check_cuda(cudaMemcpyAsync(device + piece.begin, pinned.bytes(), piece.bytes,
                               cudaMemcpyHostToDevice, stream),
               "copy the images to the device");
  }
  return work;
}

}  // namespace

void preprocess_cuda(const Request& request, const CudaTarget& target, void* out) {
  const CurrentDevice current(target.device);
  const auto stream = static_cast<cudaStream_t>(target.stream);
  refuse_captured_uploads(request, stream);
  load_all_kernels(target.device);
  WorkLayout layout(request);
  void* device = target.allocate(layout.device_bytes());
  const CudaWork work = upload(layout, static_cast<std::uint8_t*>(device), out, target);
  launch_contrasts(work.contrasts, stream);
  launch_cells(work.cells, stream);
  launch_blurs(work.near_blurs, work.wide_blurs, stream);
  launch_resamples<std::uint8_t>(work.reductions, stream);
  launch_resamples<std::uint8_t>(work.enlargements, stream);
  switch (request.output_type) {
    case OutputType::float32:
      return launch_resamples<float>(work.resamples, stream);
    case OutputType::bfloat16:
      return launch_resamples<std::uint16_t>(work.resamples, stream);
    case OutputType::levels:
      return launch_resamples<std::uint8_t>(work.resamples, stream);
  }
}

}  // namespace vrs
