// The CPU backend's entry: a checked request in, the pixel batch out.
#pragma once

#include "contract/preprocess.h"

namespace vrs {

// As preprocess(); the request has passed check_request, and options.simd is known.
void preprocess_cpu(const Request& request, const Options& options, void* out);

}  // namespace vrs
