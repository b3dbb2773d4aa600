// The CPU backend's entry: a checked request in, the pixel batch out.
#pragma once

#include "preprocess.h"

namespace vrs {

// As preprocess(); the request has passed check_request.
void preprocess_cpu(const Request& request, float* out);

}  // namespace vrs
