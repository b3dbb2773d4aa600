// What the lanes of a warp do together: shuffles, __syncwarp, products of the tensor cores.
#include "scheduler_state.h"

namespace cuda_on_cpu {

// True where the running thread is the last that the others waited for.
CUDA_ON_CPU_UNCHECKED static bool arrive_in_warp(const Site& site, unsigned mask) {
  Thread& thread = *scheduler->running;
  const int id = static_cast<int>(&thread - scheduler->threads);
  const int lanes = scheduler->thread_count - id / 32 * 32;
  if ((mask >> id % 32 & 1) == 0) {
    fail("calls %s (%s:%d) for lanes 0x%08x, of which it is none", site.what, site.file, site.line,
         mask);
  }
  if (lanes < 32 && mask >> lanes != 0) {
    fail("calls %s (%s:%d) for lanes 0x%08x, but its warp has %d", site.what, site.file, site.line,
         mask, lanes);
  }
  thread.state = kInWarp;
  thread.site = site;
  thread.mask = mask;
  const Thread* const warp = &thread - id % 32;
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const Thread& other = warp[__builtin_ctz(rest)];
    if (other.state != kInWarp || other.mask != mask || !is_same_site(other.site, site))
      return false;
  }
  return true;
}

CUDA_ON_CPU_UNCHECKED int lane_id() {
  return static_cast<int>(scheduler->running - scheduler->threads) % 32;
}

CUDA_ON_CPU_UNCHECKED void wait_for_warp(Site site, unsigned mask) {
  Thread& thread = *scheduler->running;
  if (!arrive_in_warp(site, mask)) return leave_to_host(thread);
  const int id = static_cast<int>(&thread - scheduler->threads);
  Thread* const warp = &thread - id % 32;
  // The first lane of the mask has been at all that was ordered through its tag: it tells nobody
  // too much.
  OrderTag& tag = scheduler->memory.warp_tag(id / 32 * 32 + __builtin_ctz(mask));
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    enter_race_context(fiber_of(warp[__builtin_ctz(rest)]));
    release(tag);
  }
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    Thread& other = warp[__builtin_ctz(rest)];
    enter_race_context(fiber_of(other));
    acquire(tag);
    other.state = kReady;
  }
  enter_race_context(fiber_of(thread));
}

CUDA_ON_CPU_UNCHECKED std::uint64_t exchange_in_warp(Site site, unsigned mask, std::uint64_t value,
                                                     int source_lane) {
  Thread& thread = *scheduler->running;
  thread.value = value;
  thread.source_lane = source_lane;
  if ((mask >> source_lane & 1) == 0) {
    fail("calls %s (%s:%d) for lanes 0x%08x, but reads lane %d", site.what, site.file, site.line,
         mask, source_lane);
  }
  if (!arrive_in_warp(site, mask)) {
    leave_to_host(thread);
    return thread.value;
  }
  Thread* const warp = &thread - lane_id();
  std::uint64_t brought[32];
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    brought[lane] = warp[lane].value;
  }
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    Thread& other = warp[__builtin_ctz(rest)];
    other.value = brought[other.source_lane];
    other.state = kReady;
  }
  return thread.value;
}

CUDA_ON_CPU_UNCHECKED void act_in_warp(Site site, void* brought, WarpAction act) {
  constexpr unsigned kWholeWarp = 0xFFFFFFFF;
  Thread& thread = *scheduler->running;
  thread.value = reinterpret_cast<std::uint64_t>(brought);
  if (!arrive_in_warp(site, kWholeWarp)) return leave_to_host(thread);
  Thread* const warp = &thread - lane_id();
  void* lanes[32];
  for (int lane = 0; lane < 32; ++lane) {
    lanes[lane] = reinterpret_cast<void*>(warp[lane].value);
    warp[lane].state = kReady;
  }
  act(lanes);
}

}  // namespace cuda_on_cpu
