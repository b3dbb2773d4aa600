// What CUDA graphs change: a stream that is captured takes work down and does not run it.
#pragma once

#include "gpu.h"

namespace vrs {

bool is_capturing(cudaStream_t stream);

// While some stream of the process is captured, CUDA refuses allocations and questions to events,
// unless the thread has the relaxed capture mode. This object sets that mode for its life.
class RelaxedCapture {
 public:
  RelaxedCapture();
  ~RelaxedCapture();
  RelaxedCapture(const RelaxedCapture&) = delete;
  RelaxedCapture& operator=(const RelaxedCapture&) = delete;

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;  // then the one to go back to
  bool is_set_;
};

}  // namespace vrs
