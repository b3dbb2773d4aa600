// A kernel's machine code, read from the text of `cuobjdump -sass -elf`.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace machine_code {

struct Operand {
  enum Kind {
    kRegister,
    kUniform,
    kPredicate,
    kUniformPredicate,
    kNumber,
    kConstant,
    kMemory,
    kName
  };
  Kind kind = kNumber;
  int index = 0;             // of the register or predicate; the constants' bank
  std::uint32_t number = 0;  // also the offset of constants and memory
  bool is_negative = false, is_inverted = false, is_absolute = false;
  bool is_wide = false;       // memory: the register is half of a 64-bit address
  bool has_register = false;  // constants: their offset is in register `base`
  int base = 0;
  std::string name;  // of a special register
};

struct Block;
struct Warp;
struct Instruction;
// Executes an instruction for the lanes of a mask.
using Handler = void (*)(Block&, Warp&, const Instruction&, std::uint32_t lanes);

struct Instruction {
  std::uint32_t offset = 0;
  std::string text;       // for messages
  std::string family;     // "LDG"
  std::string modifiers;  // ".E.64."
  Operand guard;
  std::vector<Operand> operands;
  Handler handler = nullptr;   // null: control flow
  std::uint64_t executed = 0;  // by how many warps, or parts of them

  // `modifier`: without dots.
  bool has(const char* modifier) const {
    return modifiers.find(std::string(".") + modifier + ".") != std::string::npos;
  }
};

struct Kernel {
  std::string name;  // demangled
  std::vector<Instruction> code;
  std::vector<std::uint32_t> jump_table;  // constant bank 2
  std::uint64_t launches = 0, blocks = 0;
};

// Ends the program.
[[noreturn]] void fail(const std::string& reason);

// The kernels of a file by name.
std::map<std::string, Kernel> read_kernels(const std::string& path);

// The handler of an instruction; fails if there is none.
Handler find_handler(const Instruction& instruction);

}  // namespace machine_code
