// The state of a block's warps while their machine code is executed.
#pragma once

#include <cstdint>
#include <vector>

#include "program.h"

namespace machine_code {

constexpr int kLanes = 32;
constexpr std::uint32_t kAllLanes = 0xFFFFFFFF;
constexpr std::uint32_t kSharedBegin = 0x400;  // before it lies what the system keeps for itself

// Lanes that are at the same instruction. They part at a branch, and meet where they wait.
struct Group {
  enum Waiting { kRuns, kAtJoin, kAtWarp, kAtBlock };
  std::uint32_t lanes;
  std::size_t next;  // an index into the code
  Waiting waiting = kRuns;
  int join = 0;  // kAtJoin: the register that says for whom
};

struct Warp {
  std::uint32_t registers[256][kLanes] = {};  // the last is always 0
  std::uint32_t predicates[8] = {0, 0, 0, 0, 0, 0, 0, kAllLanes};
  std::uint32_t uniform[64] = {};
  bool uniform_predicates[8] = {false, false, false, false, false, false, false, true};
  // The lanes that a lane will meet. Each has its own, as lanes that have parted may be at the same
  // place of the code with different company.
  std::uint32_t joins[16][kLanes] = {};
  std::uint32_t exited = 0;
  int number = 0;
  std::vector<Group> groups;
};

struct Block {
  Kernel* kernel;
  std::uint32_t index[3], threads, grid[3];
  std::uint64_t parameter;
  std::vector<Warp> warps;
  std::vector<unsigned char> shared;  // from address 0 on
};

// Executes a block until all of its threads have exited.
void run_block(Block& block);

}  // namespace machine_code
