// Packs weights for the tensor cores.
#include "weight_fragments.h"

namespace vrs {
namespace {

// Where the byte of an output and a source stands in its fragment: see tensor_core.h for lanes.
std::size_t place_in_fragment(int output, int source) {
  const int lane = output % 8 * 4 + source % 16 / 4;
  const int word = output / 8 + source / 16 * 2;
  return std::size_t{16} * lane + 4 * word + source % 4;
}

}  // namespace

std::vector<std::uint8_t> pack_blur(const std::vector<std::uint16_t>& weights, int reach) {
  const int taps = static_cast<int>(weights.size());
  std::vector<std::uint8_t> packed(kFragmentBytes * blur_steps(reach));
  for (int output = 0; output < kFragmentOutputs; ++output) {
    for (int t = 0; t < taps; ++t) {
      const int source = output + reach - taps / 2 + t;
      packed[kFragmentBytes * (source / kFragmentSources) +
             place_in_fragment(output, source % kFragmentSources)] =
          static_cast<std::uint8_t>(weights[t]);
    }
  }
  return packed;
}

}  // namespace vrs
