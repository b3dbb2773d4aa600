// The cache of CPU plans.
#include "cpu_plan.h"

#include <cstddef>
#include <tuple>

#include "runtime/per_process.h"
#include "runtime/recent_cache.h"

namespace vrs {
namespace {

// All that a plan depends on.
using PlanKey = std::tuple<ResizeMode, int, int, int, int, Filter, Arithmetic, PassOrder, Placement,
                           int, int, const ResampleKernels*>;

// A benchmark's images come in a few sizes; a plan takes some 100 KB.
constexpr std::size_t kCachedPlans = 64;

CpuPlan make_cpu_plan(const Geometry& geometry, int height, int width,
                      const ResampleKernels& kernels) {
  CpuPlan plan;
  plan.resample = plan_resample(geometry, height, width);
  const bool is_narrow =
      kernels.narrow != nullptr && largest_weight(plan.resample) <= kernels.narrow->weight_limit;
  plan.kernels = is_narrow ? kernels.narrow : &kernels;
  plan.rows = pack_axis(plan.resample.rows, *plan.kernels);
  plan.columns = pack_axis(plan.resample.columns, *plan.kernels);
  return plan;
}

}  // namespace

std::shared_ptr<const CpuPlan> find_cpu_plan(const Geometry& geometry, int height, int width,
                                             const ResampleKernels& kernels) {
  const PlanKey key{geometry.resize,
                    geometry.resize_height,
                    geometry.resize_width,
                    geometry.crop_height,
                    geometry.crop_width,
                    geometry.filter,
                    geometry.arithmetic,
                    geometry.pass_order,
                    geometry.placement,
                    height,
                    width,
                    &kernels};
  return of_this_process<RecentCache<PlanKey, CpuPlan, kCachedPlans>>().find(
      key, [&] { return make_cpu_plan(geometry, height, width, kernels); });
}

}  // namespace vrs
