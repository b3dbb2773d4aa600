// Runs a grid on one operating-system thread: block after block, the threads of a block in turns
// from barrier to barrier, in the order that CUDA_ON_CPU_ORDER names (forward, reverse, or
// shuffle:SEED).
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda_types.h"

namespace cuda_on_cpu {

// Where a kernel calls a barrier or a shuffle, in its source.
struct Site {
  const char* what;
  const char* file;
  int line;
};

struct Launch {
  const char* kernel;  // its name, for reports
  dim3 grid, block;
  void (*run_thread)(void* arguments);
  void* arguments;
};

bool is_valid_configuration(dim3 grid, dim3 block);

// Returns when all blocks have. Ends the program, naming kernel, block and thread, where threads
// wait for what cannot come: a barrier that others do not reach, a shuffle with lanes that take no
// part.
void run_grid(const Launch& launch);

// The rest is for the threads of a kernel.

// Until all threads of the block are here.
void wait_for_block(Site site);

// Until all lanes of `mask` are here, in the same call; orders their memory accesses.
void wait_for_warp(Site site, unsigned mask);

// The same, and gives the value that `source_lane` brought; orders no memory accesses, as CUDA's
// shuffles do not.
std::uint64_t exchange_in_warp(Site site, unsigned mask, std::uint64_t value, int source_lane);

// What all lanes of a warp do together: waits for them, and calls act() once with what each
// brought. Orders no memory accesses.
using WarpAction = void (*)(void* const (&brought)[32]);
void act_in_warp(Site site, void* brought, WarpAction act);

// A lane's operands of mma.m16n8k32, sources in bytes from the lowest up.
struct ProductLane {
  std::int32_t* sums;       // row l / 4, then l / 4 + 8; of each, columns 2 (l % 4) and the next
  const unsigned* weights;  // row l / 4, then l / 4 + 8, from source 4 (l % 4) on; both 16 later
  const unsigned* levels;   // column l / 4, from source 4 (l % 4) on; then 16 later
};

// Adds the product of int8 or uint8 weights and uint8 levels.
void multiply_in_warp(Site site, ProductLane lane, bool is_signed);

// 0..31
int lane_id();

// The block's copy of a variable (BlockMemory::variable).
void* shared_memory(const void* site, std::size_t bytes, std::size_t alignment);

// Ends the program with this sentence, after naming kernel, block and the thread that runs.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace cuda_on_cpu
