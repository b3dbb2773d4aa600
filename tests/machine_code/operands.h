// What instructions read and write.
#pragma once

#include "warp.h"

namespace machine_code {

using Values = std::uint32_t[kLanes];

inline bool is_on(std::uint32_t lanes, int lane) {
  return (lanes >> lane & 1) != 0;
}

inline bool is_predicate(const Operand& operand) {
  return operand.kind == Operand::kPredicate || operand.kind == Operand::kUniformPredicate;
}

inline std::uint64_t join(std::uint32_t low, std::uint32_t high) {
  return std::uint64_t{high} << 32 | low;
}

// The upper half of a 64-bit operand.
Operand next_register(Operand operand);

// The value of each lane.
void read_values(const Block& block, const Warp& warp, const Operand& operand, Values& values);
std::uint32_t read_predicate(const Warp& warp, const Operand& operand);

void write(Warp& warp, const Operand& target, std::uint32_t lanes, const Values& values);
void write_predicate(Warp& warp, const Operand& target, std::uint32_t lanes, std::uint32_t bits);

// Writes function(a, b, c) of the operands from `first` on.
template <typename Function>
void apply(Block& block, Warp& warp, const Instruction& instruction, std::uint32_t lanes,
           std::size_t first, const Function& function) {
  Values in[3] = {}, out;
  for (std::size_t i = 0; i < 3 && first + i < instruction.operands.size(); ++i) {
    const Operand& operand = instruction.operands[first + i];
    if (!is_predicate(operand)) read_values(block, warp, operand, in[i]);
  }
  for (int lane = 0; lane < kLanes; ++lane)
    out[lane] = function(in[0][lane], in[1][lane], in[2][lane]);
  write(warp, instruction.operands[0], lanes, out);
}

}  // namespace machine_code
