// Control flow: whose turn it is, where lanes part, and where they meet again.
#include "warp.h"

#include <algorithm>

#include "operands.h"

namespace machine_code {
namespace {

std::size_t index_of(const Kernel& kernel, std::uint32_t offset) {
  const auto found = std::lower_bound(kernel.code.begin(), kernel.code.end(), offset,
                                      [](const Instruction& instruction, std::uint32_t other) {
                                        return instruction.offset < other;
                                      });
  if (found == kernel.code.end() || found->offset != offset) fail("a jump into nowhere");
  return static_cast<std::size_t>(found - kernel.code.begin());
}

void merge(Warp& warp, std::uint32_t lanes, std::size_t next) {
  std::vector<Group> rest;
  for (const Group& each : warp.groups) {
    if ((each.lanes & lanes) == 0) rest.push_back(each);
    if ((each.lanes & lanes) != 0 && (each.lanes & ~lanes) != 0)
      fail("lanes that wait for different ones");
  }
  rest.push_back({lanes, next});
  warp.groups = rest;
}

// Lets groups go on for which all have arrived whom they wait for.
void release(Warp& warp) {
  for (const Group& each : std::vector<Group>(warp.groups)) {
    if (each.waiting != Group::kAtJoin && each.waiting != Group::kAtWarp) continue;
    std::uint32_t arrived = 0;
    for (const Group& other : warp.groups) {
      const bool is_same = other.waiting == each.waiting && other.next == each.next;
      if (is_same) arrived |= other.lanes;
    }
    const bool is_join = each.waiting == Group::kAtJoin;
    const std::uint32_t all =
        is_join ? warp.joins[each.join][__builtin_ctz(each.lanes)] : kAllLanes;
    const std::uint32_t expected = all & ~warp.exited;
    if ((expected & ~arrived) != 0) continue;
    return merge(warp, expected, each.next);
  }
}

void branch(const Block& block, Group& group, std::uint32_t lanes, std::uint32_t target,
            std::vector<Group>& parted) {
  const std::size_t next = index_of(*block.kernel, target);
  if (lanes == group.lanes) {
    group.next = next;
  } else {
    parted.push_back({lanes, next});
    group.lanes &= ~lanes;
  }
}

// Each lane goes where its register says.
void branch_by_register(const Block& block, const Warp& warp, const Instruction& instruction,
                        Group& group, std::uint32_t lanes, std::vector<Group>& parted) {
  const std::uint32_t* targets = warp.registers[instruction.operands[0].index];
  while (lanes != 0) {
    const std::uint32_t target = targets[__builtin_ctz(lanes)];
    std::uint32_t same = 0;
    for (int lane = 0; lane < kLanes; ++lane) {
      if ((lanes >> lane & 1) != 0 && targets[lane] == target) same |= 1U << lane;
    }
    lanes &= ~same;
    branch(block, group, same, target, parted);
  }
}

template <typename Use>
void for_lanes(std::uint32_t lanes, const Use& use) {
  for (; lanes != 0; lanes &= lanes - 1) use(__builtin_ctz(lanes));
}

void wait(Group& group, Group::Waiting waiting, int join = 0) {
  group.waiting = waiting;
  group.join = join;
}

// Executes one instruction of a group. True if the group goes on.
bool step(Block& block, Warp& warp, Group& group, std::vector<Group>& parted) {
  Instruction& instruction = block.kernel->code[group.next++];
  ++instruction.executed;
  const std::uint32_t lanes = group.lanes & read_predicate(warp, instruction.guard);
  const std::string& family = instruction.family;
  if (instruction.handler != nullptr) {
    instruction.handler(block, warp, instruction, lanes);
  } else if (family == "BRA") {
    // BRA [predicate,] target
    const Operand& condition = instruction.operands.front();
    const bool has_condition = instruction.operands.size() == 2;
    const std::uint32_t jump = has_condition ? lanes & read_predicate(warp, condition) : lanes;
    if (jump != 0) branch(block, group, jump, instruction.operands.back().number, parted);
  } else if (family == "BRX") {
    branch_by_register(block, warp, instruction, group, lanes, parted);
  } else if (family == "EXIT") {
    warp.exited |= lanes;
    group.lanes &= ~lanes;
  } else if (family == "BSSY") {
    for_lanes(group.lanes,
              [&](int lane) { warp.joins[instruction.operands[0].index][lane] = group.lanes; });
  } else if (family == "BREAK") {
    for (std::uint32_t& company : warp.joins[instruction.operands[0].index]) {
      company &= ~lanes;
    }
  } else if (family == "BSYNC") {
    wait(group, Group::kAtJoin, instruction.operands[0].index);
  } else if (family == "WARPSYNC") {
    wait(group, Group::kAtWarp);
  } else if (family == "BAR") {
    wait(group, Group::kAtBlock);
  } else {
    fail("no such control: " + instruction.text);
  }
  return group.lanes != 0 && group.waiting == Group::kRuns;
}

// True if some group could run.
bool run_warp(Block& block, Warp& warp) {
  const auto runs = [](const Group& each) { return each.waiting == Group::kRuns; };
  const auto found = std::find_if(warp.groups.begin(), warp.groups.end(), runs);
  if (found == warp.groups.end()) return false;
  Group group = *found;
  warp.groups.erase(found);
  std::vector<Group> parted;
  while (parted.empty() && step(block, warp, group, parted)) {
  }
  if (group.lanes != 0) warp.groups.push_back(group);
  warp.groups.insert(warp.groups.end(), parted.begin(), parted.end());
  release(warp);
  return true;
}

// Lets the block go on if all threads that have not exited are at its barrier.
bool release_block(Block& block) {
  for (const Warp& warp : block.warps) {
    for (const Group& each : warp.groups) {
      if (each.waiting != Group::kAtBlock) return false;
    }
  }
  bool is_left = false;
  for (Warp& warp : block.warps) {
    for (const Group& each : std::vector<Group>(warp.groups)) {
      is_left = true;
      std::uint32_t lanes = 0;
      for (const Group& other : warp.groups) {
        if (other.next == each.next && other.waiting == Group::kAtBlock) lanes |= other.lanes;
      }
      if (lanes != 0) merge(warp, lanes, each.next);
    }
  }
  return is_left;
}

}  // namespace

void run_block(Block& block) {
  ++block.kernel->blocks;
  do {
    for (Warp& warp : block.warps) {
      while (run_warp(block, warp)) {
      }
    }
  } while (release_block(block));
  for (const Warp& warp : block.warps) {
    if (warp.exited == kAllLanes) continue;
    const Group& waiting = warp.groups.front();
    fail("threads of " + block.kernel->name + " wait forever, the first at " +
         block.kernel->code[waiting.next - 1].text);
  }
}

}  // namespace machine_code
