// Registers, predicates and constants of lanes.
#include "operands.h"

namespace machine_code {
namespace {

// Lanes that do not take part may ask for anything.
std::uint32_t read_constant(const Block& block, int bank, std::uint32_t at) {
  constexpr std::uint32_t kParameter = 0x210;
  const auto& table = block.kernel->jump_table;
  if (bank == 2) return at / 4 < table.size() ? table[at / 4] : 0;
  if (bank != 0) fail("a constant of another bank");
  if (at == kParameter) return static_cast<std::uint32_t>(block.parameter);
  if (at == kParameter + 4) return static_cast<std::uint32_t>(block.parameter >> 32);
  return at == 0 ? block.threads : 0;
}

}  // namespace

void write(Warp& warp, const Operand& target, std::uint32_t lanes, const Values& values) {
  if (target.kind == Operand::kUniform) {
    if (target.index != 63 && lanes != 0) warp.uniform[target.index] = values[__builtin_ctz(lanes)];
    return;
  }
  if (target.kind != Operand::kRegister) fail("no register to write to");
  if (target.index == 255) return;
  for (int lane = 0; lane < kLanes; ++lane) {
    if (is_on(lanes, lane)) warp.registers[target.index][lane] = values[lane];
  }
}

Operand next_register(Operand operand) {
  if (operand.kind == Operand::kRegister && operand.index != 255) ++operand.index;
  if (operand.kind == Operand::kUniform && operand.index != 63) ++operand.index;
  if (operand.kind == Operand::kConstant) operand.number += 4;
  if (operand.kind == Operand::kNumber)
    operand.number = static_cast<std::int32_t>(operand.number) < 0 ? kAllLanes : 0;
  return operand;
}

void write_predicate(Warp& warp, const Operand& target, std::uint32_t lanes, std::uint32_t bits) {
  if (target.index == 7) return;
  if (target.kind == Operand::kUniformPredicate) {
    if (lanes != 0) warp.uniform_predicates[target.index] = (bits & lanes) != 0;
    return;
  }
  std::uint32_t& predicate = warp.predicates[target.index];
  predicate = (predicate & ~lanes) | (bits & lanes);
}

void read_values(const Block& block, const Warp& warp, const Operand& operand, Values& values) {
  for (int lane = 0; lane < kLanes; ++lane) {
    std::uint32_t value = operand.number;
    if (operand.kind == Operand::kRegister) {
      value = warp.registers[operand.index][lane];
    } else if (operand.kind == Operand::kUniform) {
      value = warp.uniform[operand.index];
    } else if (operand.kind == Operand::kConstant) {
      const std::uint32_t at =
          operand.number + (operand.has_register ? warp.registers[operand.base][lane] : 0);
      value = read_constant(block, operand.index, at);
    } else if (operand.kind != Operand::kNumber) {
      fail("no value: " + operand.name);
    }
    if (operand.is_absolute && static_cast<std::int32_t>(value) < 0) value = 0 - value;
    if (operand.is_inverted) value = ~value;
    values[lane] = operand.is_negative ? 0 - value : value;
  }
}

std::uint32_t read_predicate(const Warp& warp, const Operand& operand) {
  std::uint32_t bits = 0;
  if (operand.kind == Operand::kPredicate) {
    bits = warp.predicates[operand.index];
  } else if (operand.kind == Operand::kUniformPredicate) {
    bits = warp.uniform_predicates[operand.index] ? kAllLanes : 0;
  } else {
    fail("no predicate");
  }
  return operand.is_inverted ? ~bits : bits;
}

}  // namespace machine_code
