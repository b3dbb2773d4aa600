// The perturbation `low_pass`: an image shrunk and enlarged again by the resampler of the op
// itself.
#pragma once

#include <cstdint>
#include <vector>

#include "preprocess.h"

namespace vrs {

// Packed RGB of the image's size, as perturb.h defines it; empty where the image stays as it is.
std::vector<std::uint8_t> low_pass(const ImageView& image, int lines);

}  // namespace vrs
