// The turns of blocks and of their threads, from barrier to barrier.
#include "block_scheduler.h"

#include <cstdio>

#include "scheduler_state.h"

__thread uint3 threadIdx;
__thread uint3 blockIdx;
__thread dim3 blockDim;
__thread dim3 gridDim;

namespace cuda_on_cpu {

__thread Scheduler* scheduler;

namespace {

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
  if (s.launch != nullptr) fail("launches a kernel, which CUDA code of ours does not do");
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

CUDA_ON_CPU_UNCHECKED void* shared_memory(const void* site, std::size_t bytes,
                                          std::size_t alignment) {
  void* memory = scheduler->memory.variable(site, bytes, alignment);
  if (memory == nullptr) fail("lays out %zu bytes of shared memory beyond what a block has", bytes);
  return memory;
}

}  // namespace cuda_on_cpu
