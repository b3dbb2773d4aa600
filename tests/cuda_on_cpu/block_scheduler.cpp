// The turns of a block's threads, what they wait for, and what is said when it cannot come.
#include "block_scheduler.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "block_memory.h"
#include "fibers.h"
#include "happens_before.h"
#include "thread_order.h"

__thread uint3 threadIdx;
__thread uint3 blockIdx;
__thread dim3 blockDim;
__thread dim3 gridDim;

namespace cuda_on_cpu {
namespace {

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

__thread Scheduler* scheduler;

struct SchedulerOwner {
  ~SchedulerOwner() {
    if (scheduler == nullptr) return;
    for (FiberGroup& group : scheduler->groups) {
      for (int i = 0; i < group.count; ++i) {
        destroy_race_context(group.fibers[i]);
        destroy_fiber(group.fibers[i]);
      }
    }
    scheduler->memory.free();
    delete scheduler;
    scheduler = nullptr;
  }
};

CUDA_ON_CPU_UNCHECKED Fiber& fiber_of(const Thread& thread) {
  return scheduler->groups[scheduler->group].fibers[&thread - scheduler->threads];
}

CUDA_ON_CPU_UNCHECKED void leave_to_host(Thread& thread) {
  enter_race_context(scheduler->host);
  switch_fiber(fiber_of(thread), scheduler->host);
}

// What every fiber does: a thread of one block after another.
CUDA_ON_CPU_UNCHECKED void run_threads() {
  arrive_in_new_fiber(scheduler->host);
  while (true) {
    scheduler->launch->run_thread(scheduler->launch->arguments);
    scheduler->running->state = kExited;
    ++scheduler->exited_count;
    leave_to_host(*scheduler->running);
  }
}

CUDA_ON_CPU_UNCHECKED void go_on_with(Thread& thread) {
  scheduler->running = &thread;
  threadIdx = thread.index;
  Fiber& fiber = fiber_of(thread);
  enter_race_context(fiber);
  switch_fiber(scheduler->host, fiber);
}

CUDA_ON_CPU_UNCHECKED bool is_same_site(const Site& a, const Site& b) {
  return a.line == b.line && a.what == b.what;
}

void describe_wait(const Thread& thread, char (&text)[512]) {
  int length = std::snprintf(text, sizeof(text), "waits at %s (%s:%d)", thread.site.what,
                             thread.site.file, thread.site.line);
  if (thread.state == kInWarp && length < 480) {
    std::snprintf(text + length, sizeof(text) - length, " for lanes 0x%08x", thread.mask);
  }
}

[[noreturn]] void fail_waiting(Thread& thread, const Thread& other) {
  char what[512], instead[512] = "has exited";
  describe_wait(thread, what);
  if (other.state != kExited) describe_wait(other, instead);
  scheduler->running = &thread;
  fail("%s, but thread (%u, %u, %u) %s", what, other.index.x, other.index.y, other.index.z,
       instead);
}

// Nobody can go on: the first thread that waits in vain, and one that it waits for.
[[noreturn]] void fail_stuck() {
  Thread* const threads = scheduler->threads;
  for (int i = 0; i < scheduler->thread_count; ++i) {
    if (threads[i].state != kInWarp) continue;
    for (int lane = 0; lane < 32; ++lane) {
      const Thread& other = threads[i / 32 * 32 + lane];
      if ((threads[i].mask >> lane & 1) == 0) continue;
      if (other.state != kInWarp || other.mask != threads[i].mask ||
          !is_same_site(other.site, threads[i].site)) {
        fail_waiting(threads[i], other);
      }
    }
  }
  for (int i = 0; i < scheduler->thread_count; ++i) {
    if (threads[i].state != kAtBarrier) continue;
    for (int other = 0; other < scheduler->thread_count; ++other) {
      if (threads[other].state == kExited || !is_same_site(threads[other].site, threads[i].site)) {
        fail_waiting(threads[i], threads[other]);
      }
    }
  }
  std::abort();  // not reached: somebody waits
}

CUDA_ON_CPU_UNCHECKED void open_barrier() {
  Thread* const threads = scheduler->threads;
  const int count = scheduler->thread_count;
  for (int i = 1; i < count; ++i) {
    if (!is_same_site(threads[i].site, threads[0].site)) fail_stuck();
  }
  for (int i = 0; i < count; ++i) {
    enter_race_context(fiber_of(threads[i]));
    release(scheduler->memory.block_tag());
  }
  for (int i = 0; i < count; ++i) {
    enter_race_context(fiber_of(threads[i]));
    acquire(scheduler->memory.block_tag());
    threads[i].state = kReady;
  }
  enter_race_context(scheduler->host);
  scheduler->at_barrier_count = 0;
}

CUDA_ON_CPU_UNCHECKED void run_block(std::uint64_t block) {
  Scheduler& s = *scheduler;
  const dim3& grid = s.launch->grid;
  gridDim = grid;
  blockDim = s.launch->block;
  blockIdx =
      uint3{static_cast<unsigned>(block % grid.x), static_cast<unsigned>(block / grid.x % grid.y),
            static_cast<unsigned>(block / grid.x / grid.y)};
  s.memory.begin_block();
  s.at_barrier_count = s.exited_count = 0;
  for (int i = 0; i < s.thread_count; ++i) s.threads[i].state = kReady;
  s.order.order_threads(s.turns, s.thread_count);
  while (true) {
    bool someone_went_on = false;
    for (int turn = 0; turn < s.thread_count; ++turn) {
      Thread& thread = s.threads[s.turns[turn]];
      if (thread.state != kReady) continue;
      go_on_with(thread);
      someone_went_on = true;
    }
    if (s.exited_count == s.thread_count) return;
    if (s.at_barrier_count == s.thread_count) {
      open_barrier();
    } else if (!someone_went_on) {
      fail_stuck();
    }
    if (s.order.changes_every_turn()) s.order.order_threads(s.turns, s.thread_count);
  }
}

CUDA_ON_CPU_UNCHECKED void join_launch(FiberGroup& group) {
  for (int i = 0; i < scheduler->thread_count; ++i) {
    enter_race_context(group.fibers[i]);
    acquire(scheduler->launch_begins);
  }
  enter_race_context(scheduler->host);
}

// The fibers for the next block, after all that the host did before the launch.
void choose_fibers(std::uint64_t turn) {
  constexpr int kOtherGroups = kFiberGroups > 1 ? kFiberGroups - 1 : 1;
  Scheduler& s = *scheduler;
  if (turn < kFiberGroups) {
    s.group = static_cast<int>(turn);
  } else {
    s.group_random =
        s.group_random * 6364136223846793005ULL + 1442695040888963407ULL;  // Knuth's, of MMIX
    s.group =
        static_cast<int>((s.group + 1 + (s.group_random >> 33) % kOtherGroups) % kFiberGroups);
  }
  FiberGroup& group = s.groups[s.group];
  if (group.joined) return;
  group.joined = true;
  for (; group.count < s.thread_count; ++group.count) {
    create_race_context(group.fibers[group.count]);
    create_fiber(group.fibers[group.count], run_threads);
  }
  for (int i = 0; kFiberGroups > 1 && i < s.thread_count; ++i) {
    char name[64];
    const uint3& index = s.threads[i].index;
    std::snprintf(name, sizeof(name), "CUDA thread (%u, %u, %u)", index.x, index.y, index.z);
    name_race_context(group.fibers[i], name);
  }
  join_launch(group);
}

void begin_launch(const Launch& launch) {
  static thread_local SchedulerOwner owner;
  if (scheduler == nullptr) {
    static_cast<void>(&owner);  // begins its life
    scheduler = new Scheduler();
  }
  Scheduler& s = *scheduler;
  if (s.launch != nullptr) fail("launches a kernel");
  s.launch = &launch;
  s.order = ThreadOrder::from_environment();
  s.order.begin_grid(std::uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z);
  s.thread_count = static_cast<int>(launch.block.x * launch.block.y * launch.block.z);
  int i = 0;
  for (unsigned z = 0; z < launch.block.z; ++z) {
    for (unsigned y = 0; y < launch.block.y; ++y) {
      for (unsigned x = 0; x < launch.block.x; ++x) s.threads[i++].index = uint3{x, y, z};
    }
  }
  for (FiberGroup& group : s.groups) group.joined = false;
  adopt_race_context(s.host);
  release(s.launch_begins);
}

// What the threads did comes before what the host does next.
CUDA_ON_CPU_UNCHECKED void end_launch() {
  Scheduler& s = *scheduler;
  for (FiberGroup& group : s.groups) {
    for (int i = 0; group.joined && i < s.thread_count; ++i) {
      enter_race_context(group.fibers[i]);
      release(s.launch_ends);
    }
  }
  enter_race_context(s.host);
  acquire(s.launch_ends);
  s.launch = nullptr;
  s.running = nullptr;
}

// True where the running thread is the last that the others waited for.
CUDA_ON_CPU_UNCHECKED bool arrive_in_warp(const Site& site, unsigned mask) {
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

}  // namespace

bool is_valid_configuration(dim3 grid, dim3 block) {
  const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
  return block.x <= 1024 && block.y <= 1024 && block.z <= 64 && threads >= 1 &&
         threads <= kMaxThreads && grid.x >= 1 && grid.x <= 0x7FFFFFFF && grid.y >= 1 &&
         grid.y <= 65535 && grid.z >= 1 && grid.z <= 65535;
}

void run_grid(const Launch& launch) {
  begin_launch(launch);
  const std::uint64_t blocks = std::uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  for (std::uint64_t turn = 0; turn < blocks; ++turn) {
    choose_fibers(turn);
    run_block(scheduler->order.block_at(turn));
  }
  end_launch();
}

CUDA_ON_CPU_UNCHECKED void wait_for_block(Site site) {
  Thread& thread = *scheduler->running;
  thread.state = kAtBarrier;
  thread.site = site;
  ++scheduler->at_barrier_count;
  leave_to_host(thread);
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

CUDA_ON_CPU_UNCHECKED int lane_id() {
  return static_cast<int>(scheduler->running - scheduler->threads) % 32;
}

CUDA_ON_CPU_UNCHECKED void* shared_memory(const void* site, std::size_t bytes,
                                          std::size_t alignment) {
  void* memory = scheduler->memory.variable(site, bytes, alignment);
  if (memory == nullptr) fail("lays out %zu bytes of shared memory beyond what a block has", bytes);
  return memory;
}

void fail(const char* format, ...) {
  char sentence[1024];
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(sentence, sizeof(sentence), format, arguments);
  va_end(arguments);
  const uint3 thread = scheduler->running->index;
  std::fprintf(stderr, "cuda_on_cpu: kernel %s, block (%u, %u, %u), thread (%u, %u, %u) %s\n",
               scheduler->launch->kernel, blockIdx.x, blockIdx.y, blockIdx.z, thread.x, thread.y,
               thread.z, sentence);
  std::abort();
}

}  // namespace cuda_on_cpu
