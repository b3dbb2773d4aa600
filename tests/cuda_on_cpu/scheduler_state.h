// What the scheduler knows of the block that runs; shared by the files that implement it.
#pragma once

#include <cstdint>

#include "block_memory.h"
#include "block_scheduler.h"
#include "fibers.h"
#include "happens_before.h"
#include "thread_order.h"

namespace cuda_on_cpu {

constexpr int kMaxThreads = 1024;

// ThreadSanitizer takes a fiber's block for something that it did before its next block. So blocks
// that come one after the other run on different fibers, and others do two times in three; more
// would cost it more time at every barrier.
#ifdef __SANITIZE_THREAD__
constexpr int kFiberGroups = 3;
#else
constexpr int kFiberGroups = 1;
#endif

enum State { kReady, kAtBarrier, kInWarp, kExited };

struct Thread {
  uint3 index;
  State state;
  Site site;            // what it waits at
  unsigned mask;        // kInWarp: whom it waits for
  std::uint64_t value;  // kInWarp: what it brings; afterwards what it gets
  int source_lane;
};

struct FiberGroup {
  Fiber fibers[kMaxThreads];
  int count;    // of those created; the others never ran
  bool joined;  // this launch
};

// All that one operating-system thread needs for its launches; kept, as stacks and race contexts
// are dear.
struct Scheduler {
  Fiber host;
  FiberGroup groups[kFiberGroups];
  int group;
  std::uint64_t group_random;
  Thread threads[kMaxThreads];
  int turns[kMaxThreads];
  int thread_count, at_barrier_count, exited_count;
  Thread* running;       // null between launches
  const Launch* launch;  // null between launches
  BlockMemory memory;
  ThreadOrder order;
  OrderTag launch_begins, launch_ends;
};

extern __thread Scheduler* scheduler __attribute__((tls_model("initial-exec")));

CUDA_ON_CPU_UNCHECKED inline Fiber& fiber_of(const Thread& thread) {
  return scheduler->groups[scheduler->group].fibers[&thread - scheduler->threads];
}

CUDA_ON_CPU_UNCHECKED inline void leave_to_host(Thread& thread) {
  enter_race_context(scheduler->host);
  switch_fiber(fiber_of(thread), scheduler->host);
}

CUDA_ON_CPU_UNCHECKED inline bool is_same_site(const Site& a, const Site& b) {
  return a.line == b.line && a.what == b.what;
}

// Ends the program where no thread can go on: names the first that waits in vain, and one that it
// waits for.
[[noreturn]] void fail_stuck();

}  // namespace cuda_on_cpu
