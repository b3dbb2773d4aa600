// The CUDA backend: a checked request in, the pixel batch in device memory out, by work queued on a
// stream.
#pragma once

#include <string>

#include "contract/preprocess.h"

namespace vrs {

// As preprocess_on_device(); the request has passed check_request.
void preprocess_cuda(const Request& request, const CudaTarget& target, void* out);

// As count_devices().
int count_cuda_devices(std::string& reason);

}  // namespace vrs
