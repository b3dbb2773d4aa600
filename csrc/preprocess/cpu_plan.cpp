// The cache of CPU plans: the most recently used first.
#include "cpu_plan.h"

#include <algorithm>
#include <list>
#include <mutex>
#include <tuple>
#include <utility>

namespace vrs {
namespace {

// All that a plan depends on.
using PlanKey = std::tuple<ResizeMode, int, int, int, int, Filter, Arithmetic, PassOrder, int, int,
                           const ResampleKernels*>;

// A benchmark's images come in a few sizes; a plan takes some 100 KB.
constexpr std::size_t kCachedPlans = 64;

struct PlanCache {
  std::mutex mutex;
  std::list<std::pair<PlanKey, std::shared_ptr<const CpuPlan>>> plans;
};

PlanCache& plan_cache() {
  static PlanCache* cache = new PlanCache;  // never destroyed: threads may outlive main
  return *cache;
}

std::shared_ptr<const CpuPlan> make_cpu_plan(const Geometry& geometry, int height, int width,
                                             const ResampleKernels& kernels) {
  auto plan = std::make_shared<CpuPlan>();
  plan->resample = plan_resample(geometry, height, width);
  const bool is_narrow =
      kernels.narrow != nullptr && largest_weight(plan->resample) <= kernels.narrow->weight_limit;
  plan->kernels = is_narrow ? kernels.narrow : &kernels;
  plan->rows = pack_axis(plan->resample.rows, *plan->kernels);
  plan->columns = pack_axis(plan->resample.columns, *plan->kernels);
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
                    height,
                    width,
                    &kernels};
  PlanCache& cache = plan_cache();
  const std::lock_guard<std::mutex> lock(cache.mutex);
  const auto found = std::find_if(cache.plans.begin(), cache.plans.end(),
                                  [&](const auto& entry) { return entry.first == key; });
  if (found != cache.plans.end()) {
    cache.plans.splice(cache.plans.begin(), cache.plans, found);
  } else {
    cache.plans.emplace_front(key, make_cpu_plan(geometry, height, width, kernels));
    if (cache.plans.size() > kCachedPlans) cache.plans.pop_back();
  }
  return cache.plans.front().second;
}

}  // namespace vrs
