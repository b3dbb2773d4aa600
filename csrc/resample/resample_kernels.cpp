// Encodes weights for a set of kernels and finds the sets that this processor can run.
#include "resample_kernels.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>

#include "runtime/cpu_features.h"

namespace vrs {
namespace {

std::vector<const ResampleKernels*> find_kernels() {
  std::vector<const ResampleKernels*> found;
#ifdef VRS_HAVE_AVX512VNNI
  if (supports_avx512vnni()) found.push_back(&avx512vnni_kernels());
#endif
#ifdef VRS_HAVE_AVXVNNI
  if (supports_avxvnni()) found.push_back(&avxvnni_kernels());
#endif
#ifdef VRS_HAVE_AVX2
  if (supports_avx2()) found.push_back(&avx2_kernels());
#endif
  found.push_back(&portable_kernels());
  return found;
}

// The largest weight of the narrow set: a group with a larger one needs all its words.
std::int32_t narrow_limit(const ResampleKernels& kernels) {
  return kernels.narrow == nullptr ? kernels.weight_limit : kernels.narrow->weight_limit;
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
  const std::int32_t limit = narrow_limit(kernels);
  PackedAxis packed;
  packed.coefficient_bits = plan.coefficient_bits;
  packed.outputs = plan.outputs;
  packed.source_begin = plan.source_begin;
  packed.filters.resize(plan.outputs);
  std::size_t all_groups = 0;
  for (int i = 0; i < plan.outputs; ++i) {
    const int first = plan.first[i] - plan.source_begin;
    const int groups = (first % taps + plan.count[i] + taps - 1) / taps;
    packed.first_group.push_back(first / taps);
    packed.filters[i].groups = groups;
    packed.groups = std::max(packed.groups, groups);
    packed.source_groups = std::max(packed.source_groups, first / taps + groups);
    all_groups += groups;
  }
  packed.words.resize(all_groups * kernels.words_per_group);
  std::vector<std::int32_t> weights(static_cast<std::size_t>(packed.groups) * taps);
  std::int32_t* words = packed.words.data();
  for (int i = 0; i < plan.outputs; ++i) {
    PackedFilter& filter = packed.filters[i];
    filter.words = words;
    std::fill(weights.begin(), weights.end(), 0);
    const int lead = (plan.first[i] - plan.source_begin) % taps;
    std::copy_n(plan.weights.data() + static_cast<std::size_t>(i) * plan.taps, plan.count[i],
                weights.data() + lead);
    for (int g = 0; g < filter.groups; ++g, words += kernels.words_per_group) {
      const std::int32_t* group = weights.data() + g * taps;
      kernels.encode_group(group, words);
      const bool is_wide = std::any_of(
          group, group + taps, [=](std::int32_t weight) { return std::abs(weight) > limit; });
      if (!is_wide) continue;
      if (filter.wide_end == 0) filter.wide_begin = g;
      filter.wide_end = g + 1;
    }
  }
  return packed;
}

}  // namespace vrs
