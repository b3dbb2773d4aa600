// Instructions that move data: special registers, constants, memory; and the products of the tensor
// cores.
#include <cstring>

#include "instructions.h"
#include "operands.h"

namespace machine_code {
namespace {

int bytes_of(const Instruction& i) {
  if (i.has("128")) return 16;
  if (i.has("64")) return 8;
  if (i.has("U8")) return 1;
  return i.has("U16") ? 2 : 4;
}

unsigned char* find_memory(Block& block, const Warp& warp, const Instruction& i,
                           const Operand& operand, int lane, bool is_shared) {
  const int bytes = bytes_of(i);
  std::uint64_t address = warp.registers[operand.index][lane];
  if (operand.is_wide)
    address = join(warp.registers[operand.index][lane], warp.registers[operand.index + 1][lane]);
  if (operand.has_register) address += warp.uniform[operand.base];
  address += static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(operand.number)});
  if (is_shared) address &= 0xFFFFFFFF;
  if (address % bytes != 0) fail("misaligned: " + i.text);
  if (!is_shared) return reinterpret_cast<unsigned char*>(address);
  if (address < kSharedBegin || address + bytes > block.shared.size())
    fail("outside of shared memory: " + i.text);
  return block.shared.data() + address;
}

}  // namespace

void read_special(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  const std::string& name = i.operands[1].name;
  Values values;
  for (int lane = 0; lane < kLanes; ++lane) {
    if (name == "SR_TID.X") {
      values[lane] = static_cast<std::uint32_t>(warp.number * kLanes + lane);
    } else if (name == "SR_CTAID.X" || name == "SR_CTAID.Y") {
      values[lane] = block.index[name.back() - 'X'];
    } else if (name == "SR_CgaCtaId" || name == "SRZ") {
      values[lane] = 0;
    } else {
      fail("a special register: " + i.text);
    }
  }
  write(warp, i.operands[0], lanes, values);
  if (i.family == "CS2R" && !i.has("32")) write(warp, next_register(i.operands[0]), lanes, values);
}

void read_constants(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  Values values;
  read_values(block, warp, i.operands[1], values);
  write(warp, i.operands[0], lanes, values);
  if (!i.has("64")) return;
  read_values(block, warp, next_register(i.operands[1]), values);
  write(warp, next_register(i.operands[0]), lanes, values);
}

void pack_predicates(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  // P2R d, PR, a, mask
  Values values;
  read_values(block, warp, i.operands[2], values);
  const std::uint32_t mask = i.operands[3].number;
  for (int lane = 0; lane < kLanes; ++lane) {
    std::uint32_t bits = 0;
    for (int p = 0; p < 7; ++p) bits |= (warp.predicates[p] >> lane & 1) << p;
    values[lane] = (values[lane] & ~mask) | (bits & mask);
  }
  write(warp, i.operands[0], lanes, values);
}

void load(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  const int bytes = bytes_of(i);
  for (int lane = 0; lane < kLanes; ++lane) {
    if (!is_on(lanes, lane)) continue;
    std::uint32_t words[4] = {};
    std::memcpy(words, find_memory(block, warp, i, i.operands[1], lane, i.family == "LDS"), bytes);
    Operand target = i.operands[0];
    for (int word = 0; word < (bytes + 3) / 4; ++word, target = next_register(target)) {
      if (target.index != 255) warp.registers[target.index][lane] = words[word];
    }
  }
}

void store(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  const int bytes = bytes_of(i);
  for (int lane = 0; lane < kLanes; ++lane) {
    if (!is_on(lanes, lane)) continue;
    std::uint32_t words[4] = {};
    Operand source = i.operands[1];
    for (int word = 0; word < (bytes + 3) / 4; ++word, source = next_register(source)) {
      words[word] = warp.registers[source.index][lane];
    }
    std::memcpy(find_memory(block, warp, i, i.operands[0], lane, i.family == "STS"), words, bytes);
  }
}

// mma.m16n8k32: the operands lie in the lanes as the PTX manual has them.
void multiply_matrices(Block&, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  if (lanes != kAllLanes || !i.has("16832")) fail("a product: " + i.text);
  const bool is_signed = i.has("S8");
  const auto at = [&](const Operand& operand, int word, int lane) -> std::uint32_t {
    return operand.index == 255 ? 0 : warp.registers[operand.index + word][lane];
  };
  Values out[4];
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      const int lane = row % 8 * 4 + column / 2, word = row / 8 * 2 + column % 2;
      std::uint32_t sum = at(i.operands[3], word, lane);
      for (int k = 0; k < 32; ++k) {
        const std::uint32_t a =
            at(i.operands[1], row / 8 + k / 16 * 2, row % 8 * 4 + k % 16 / 4) >> 8 * (k % 4) & 255;
        const std::uint32_t b =
            at(i.operands[2], k / 16, column * 4 + k % 16 / 4) >> 8 * (k % 4) & 255;
        sum += (is_signed && a > 127 ? a - 256 : a) * b;
      }
      out[word][lane] = sum;
    }
  }
  Operand target = i.operands[0];
  for (int word = 0; word < 4; ++word, target = next_register(target))
    write(warp, target, lanes, out[word]);
}

}  // namespace machine_code
