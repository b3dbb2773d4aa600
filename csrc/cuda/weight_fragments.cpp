// Packs weights for the tensor cores.
#include "weight_fragments.h"

#include <algorithm>
#include <tuple>

#include "perturb/pixel_runs.h"
#include "runtime/per_process.h"
#include "runtime/recent_cache.h"

namespace vrs {
namespace {

// Where the byte of an output and a source stands in its fragment: see tensor_core.h for lanes.
std::size_t place_in_fragment(int output, int source) {
  const int lane = output % 8 * 4 + source % 16 / 4;
  const int word = output / 8 + source / 16 * 2;
  return std::size_t{16} * lane + 4 * word + source % 4;
}

int round_down(int source, const SourceGrid& grid) {
  return source - ((source - grid.phase) & (grid.multiple - 1));
}

// Finds what each group reads.
void place_groups(const AxisPlan& plan, int canvas, const SourceGrid& grid, AxisFragments& axis) {
  const int groups = (canvas + kFragmentOutputs - 1) / kFragmentOutputs;
  axis.steps = 1;
  int source = round_down(plan.source_begin, grid);  // of a group without outputs: the last one's
  for (int group = 0; group < groups; ++group) {
    const int first = group * kFragmentOutputs - plan.canvas_offset;
    const int begin = std::max(first, 0);
    const int end = std::min(first + kFragmentOutputs, plan.outputs);
    if (begin < end) source = round_down(plan.first[begin], grid);
    axis.begins.push_back(source);
    axis.ends.push_back(begin < end ? plan.first[end - 1] + plan.count[end - 1] : source);
    const int sources = axis.ends.back() - source;
    axis.steps = std::max(axis.steps, (sources + kFragmentSources - 1) / kFragmentSources);
  }
}

// Whether the window of a tile's first group, which begins at a multiple of kRunPixels, holds all
// fragments of its last one.
bool do_pairs_fit(const AxisFragments& axis) {
  const int groups = static_cast<int>(axis.begins.size());
  for (int group = 0; group < groups; group += kGroupsAlong) {
    const int last = std::min(group + kGroupsAlong, groups) - 1;
    const int end = axis.begins[last] + axis.steps * kFragmentSources;
    const int margin = kRunPixels - 4;  // begins are a multiple of 4 at least
    if (end - axis.begins[group] + margin > kWindowSteps * kFragmentSources) return false;
  }
  return true;
}

void write_weight(std::int32_t weight, int output, int source, std::uint8_t* fragments) {
  std::int32_t rest = weight;
  for (int d = 0; d < kDigits; ++d) {
    const auto digit = static_cast<std::int8_t>(rest & 0xFF);
    fragments[d * kFragmentBytes + place_in_fragment(output, source)] =
        static_cast<std::uint8_t>(digit);
    rest = (rest - digit) / 256;  // exact
  }
}

AxisFragments pack_axis(const AxisPlan& plan, int canvas, const SourceGrid& grid, bool is_first) {
  AxisFragments axis;
  place_groups(plan, canvas, grid, axis);
  axis.pairs_fit = do_pairs_fit(axis);
  if (is_first && !axis.pairs_fit) {
    // Each window begins where a group does, and holds a whole number of fragments.
    axis = {};
    place_groups(plan, canvas, {kRunPixels, grid.phase}, axis);
  }
  const std::size_t step_bytes = kDigits * kFragmentBytes;
  axis.fragments.resize(axis.begins.size() * axis.steps * step_bytes);
  for (int i = 0; i < plan.outputs; ++i) {
    const int place = i + plan.canvas_offset, group = place / kFragmentOutputs;
    std::uint8_t* fragments = axis.fragments.data() + group * axis.steps * step_bytes;
    for (int t = 0; t < plan.count[i]; ++t) {
      const int source = plan.first[i] + t - axis.begins[group];
      write_weight(plan.weights[std::size_t{1} * i * plan.taps + t], place % kFragmentOutputs,
                   source % kFragmentSources, fragments + source / kFragmentSources * step_bytes);
    }
  }
  return axis;
}

}  // namespace

std::shared_ptr<const AxisFragments> find_fragments(const std::shared_ptr<const CpuPlan>& plan,
                                                    bool is_rows, int canvas,
                                                    const SourceGrid& grid) {
  using Key = std::tuple<std::shared_ptr<const CpuPlan>, bool, int, int, int>;
  const bool is_first = is_rows == plan->resample.vertical_first;
  constexpr std::size_t kKept = 64;  // some 100 KB each; a key keeps its plan
  const AxisPlan& axis = is_rows ? plan->resample.rows : plan->resample.columns;
  return of_this_process<RecentCache<Key, AxisFragments, kKept>>().find(
      {plan, is_rows, canvas, grid.multiple, grid.phase},
      [&] { return pack_axis(axis, canvas, grid, is_first); });
}

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
