// Encodes weights for a set of kernels and finds the sets that this processor can run.
#include "resample_kernels.h"

#include <algorithm>
#include <cstddef>

#include "cpu_features.h"

namespace vrs {
namespace {

std::vector<const ResampleKernels*> find_kernels() {
  std::vector<const ResampleKernels*> found;
#ifdef VRS_HAVE_AVX512VNNI
  if (supports_avx512vnni()) found.push_back(&avx512vnni_kernels());
#endif
#ifdef VRS_HAVE_AVX2
  if (supports_avx2()) found.push_back(&avx2_kernels());
#endif
  found.push_back(&portable_kernels());
  return found;
}

}  // namespace

const std::vector<const ResampleKernels*>& available_kernels() {
  static const std::vector<const ResampleKernels*> kernels = find_kernels();
  return kernels;
}

const ResampleKernels& resample_kernels_named(std::string_view name) {
  for (const ResampleKernels* kernels : available_kernels()) {
    if (name == kernels->name) return *kernels;
  }
  return *available_kernels().front();
}

PackedAxis pack_axis(const AxisPlan& plan, const ResampleKernels& kernels) {
  const int taps = kernels.taps_per_group;
  const int words = kernels.words_per_group;
  PackedAxis packed;
  packed.coefficient_bits = plan.coefficient_bits;
  packed.outputs = plan.outputs;
  packed.source_begin = plan.source_begin;
  for (int i = 0; i < plan.outputs; ++i) {
    const int first = plan.first[i] - plan.source_begin;
    packed.first_group.push_back(first / taps);
    packed.groups = std::max(packed.groups, (first % taps + plan.count[i] + taps - 1) / taps);
  }
  packed.words.assign(static_cast<std::size_t>(plan.outputs) * packed.groups * words, 0);
  std::vector<std::int32_t> weights(static_cast<std::size_t>(packed.groups) * taps);
  for (int i = 0; i < plan.outputs; ++i) {
    std::fill(weights.begin(), weights.end(), 0);
    const int lead = (plan.first[i] - plan.source_begin) % taps;
    std::copy_n(plan.weights.data() + static_cast<std::size_t>(i) * plan.taps, plan.count[i],
                weights.data() + lead);
    std::int32_t* target =
        packed.words.data() + static_cast<std::size_t>(i) * packed.groups * words;
    for (int g = 0; g < packed.groups; ++g) {
      kernels.encode_group(weights.data() + g * taps, target + g * words);
    }
    packed.source_groups = std::max(packed.source_groups, packed.first_group[i] + packed.groups);
  }
  return packed;
}

}  // namespace vrs
