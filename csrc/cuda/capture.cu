// Asks for a stream's capture, and sets this thread's capture mode.
#include "capture.h"
#include "cuda_check.h"

namespace vrs {

bool is_capturing(cudaStream_t stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check_cuda(cudaStreamIsCapturing(stream, &status), "ask whether the stream is captured");
  return status != cudaStreamCaptureStatusNone;
}

RelaxedCapture::RelaxedCapture()
    : is_set_(has_succeeded(cudaThreadExchangeStreamCaptureMode(&mode_))) {}

RelaxedCapture::~RelaxedCapture() {
  if (is_set_) has_succeeded(cudaThreadExchangeStreamCaptureMode(&mode_));
}

}  // namespace vrs
