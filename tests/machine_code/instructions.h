// Handlers of instructions that stand in a file of their own.
#pragma once

#include "program.h"

namespace machine_code {

void read_special(Block& block, Warp& warp, const Instruction& instruction, std::uint32_t lanes);
void read_constants(Block& block, Warp& warp, const Instruction& instruction, std::uint32_t lanes);
void pack_predicates(Block& block, Warp& warp, const Instruction& instruction, std::uint32_t lanes);
void load(Block& block, Warp& warp, const Instruction& instruction, std::uint32_t lanes);
void store(Block& block, Warp& warp, const Instruction& instruction, std::uint32_t lanes);
void multiply_matrices(Block& block, Warp& warp, const Instruction& instruction,
                       std::uint32_t lanes);

}  // namespace machine_code
