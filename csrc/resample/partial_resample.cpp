// Cuts plans down to the outputs that read a region.
#include "partial_resample.h"

#include <algorithm>
#include <cstddef>

namespace vrs {
namespace {

// The outputs, always neighbours, that read one of the sources [begin, end).
AxisPlan restrict_axis(const AxisPlan& plan, int begin, int end) {
  const auto reads = [&](int i) {
    return plan.first[i] < end && plan.first[i] + plan.count[i] > begin && begin < end;
  };
  int first = 0;
  while (first < plan.outputs && !reads(first)) ++first;
  int last = first;
  while (last < plan.outputs && reads(last)) ++last;
  AxisPlan part;
  part.coefficient_bits = plan.coefficient_bits;
  part.outputs = last - first;
  part.canvas_offset = plan.canvas_offset + first;
  part.taps = plan.taps;
  part.first.assign(plan.first.begin() + first, plan.first.begin() + last);
  part.count.assign(plan.count.begin() + first, plan.count.begin() + last);
  const auto weights = plan.weights.begin();
  const std::ptrdiff_t taps = plan.taps;
  part.weights.assign(weights + first * taps, weights + last * taps);
  part.source_begin = part.outputs == 0 ? 0 : part.first[0];
  for (int i = 0; i < part.outputs; ++i) {
    part.source_begin = std::min(part.source_begin, part.first[i]);
    part.source_end = std::max(part.source_end, part.first[i] + part.count[i]);
  }
  return part;
}

}  // namespace

CpuPlan restrict_plan(const CpuPlan& plan, const Region& region) {
  CpuPlan part;
  part.kernels = plan.kernels;
  part.resample.height = plan.resample.height;
  part.resample.width = plan.resample.width;
  part.resample.vertical_first = plan.resample.vertical_first;
  part.resample.rows = restrict_axis(plan.resample.rows, region.top, region.bottom);
  part.resample.columns = restrict_axis(plan.resample.columns, region.left, region.right);
  part.rows = pack_axis(part.resample.rows, *plan.kernels);
  part.columns = pack_axis(part.resample.columns, *plan.kernels);
  return part;
}

}  // namespace vrs
