// Reads machine code from text.
#include "program.h"

#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <regex>

namespace machine_code {
namespace {

constexpr int kZeroRegister = 255, kTrue = 7, kZeroUniform = 63;

int number_after(const std::string& text, std::size_t letters) {
  return std::atoi(text.c_str() + letters);
}

// "R5", "RZ", "UR4", "URZ", "P0", "PT", "UP1", "UPT", "B3".
bool read_register(const std::string& text, Operand& operand) {
  static const std::regex form("(UR|UP|R|P|B)(Z|T|\\d+)");
  std::smatch found;
  if (!std::regex_match(text, found, form)) return false;
  const std::string file = found[1];
  const bool is_constant = found[2] == "Z" || found[2] == "T";
  const int index = is_constant ? -1 : number_after(found[2], 0);
  if (file == "R")
    operand.kind = Operand::kRegister, operand.index = is_constant ? kZeroRegister : index;
  if (file == "UR")
    operand.kind = Operand::kUniform, operand.index = is_constant ? kZeroUniform : index;
  if (file == "P") operand.kind = Operand::kPredicate, operand.index = is_constant ? kTrue : index;
  if (file == "UP")
    operand.kind = Operand::kUniformPredicate, operand.index = is_constant ? kTrue : index;
  if (file == "B") operand.kind = Operand::kName, operand.index = index;
  return true;
}

std::uint32_t read_number(const std::string& text) {
  return static_cast<std::uint32_t>(std::strtoll(text.c_str(), nullptr, 0));
}

// "[R4.64+0x8]", "[R3+-0x10]", "[UR4]", and after "desc[UR6]".
bool read_memory(const std::string& text, Operand& operand) {
  static const std::regex form(
      "(?:desc\\[UR\\d+\\])?\\[(?:(R\\d+|RZ)(\\.64)?)?(?:\\+?(UR\\d+))?\\+?(-?0x[0-9a-f]+)?\\]");
  std::smatch found;
  if (!std::regex_match(text, found, form)) return false;
  operand.kind = Operand::kMemory;
  operand.index = kZeroRegister;
  if (found[1].matched && found[1] != "RZ") operand.index = number_after(found[1], 1);
  operand.is_wide = found[2].matched;
  operand.has_register = found[3].matched;
  if (operand.has_register) operand.base = number_after(found[3], 2);
  if (found[4].matched) operand.number = read_number(found[4]);
  return true;
}

// "c[0x0][0x210]", "c[0x2][R4+0xc]".
bool read_constant(const std::string& text, Operand& operand) {
  static const std::regex form("c\\[(0x[0-9a-f]+)\\]\\[(?:R(\\d+)\\+?)?(0x[0-9a-f]+)?\\]");
  std::smatch found;
  if (!std::regex_match(text, found, form)) return false;
  operand.kind = Operand::kConstant;
  operand.index = static_cast<int>(read_number(found[1]));
  operand.has_register = found[2].matched;
  if (operand.has_register) operand.base = number_after(found[2], 0);
  if (found[3].matched) operand.number = read_number(found[3]);
  return true;
}

Operand read_operand(std::string text) {
  Operand operand;
  for (const char* suffix : {".reuse", ".ROW", ".COL"}) {
    const std::size_t at = text.find(suffix);
    if (at != std::string::npos) text.erase(at, std::string(suffix).size());
  }
  if (text[0] == '!' || text[0] == '~') operand.is_inverted = true, text.erase(0, 1);
  if (text[0] == '-' && text[1] != '0') operand.is_negative = true, text.erase(0, 1);
  if (text[0] == '|') operand.is_absolute = true, text = text.substr(1, text.size() - 2);
  if (read_register(text, operand) || read_memory(text, operand) || read_constant(text, operand)) {
    return operand;
  }
  if (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')) {
    operand.number = read_number(text);
    return operand;
  }
  operand.kind = Operand::kName;
  operand.name = text;
  return operand;
}

Instruction read_instruction(std::uint32_t offset, const std::string& text) {
  Instruction instruction;
  instruction.offset = offset;
  instruction.text = text;
  instruction.guard = read_operand("PT");
  std::string rest = text;
  if (rest[0] == '@') {
    const std::size_t space = rest.find(' ');
    instruction.guard = read_operand(rest.substr(1, space - 1));
    rest = rest.substr(rest.find_first_not_of(' ', space));
  }
  const std::size_t space = rest.find(' ');
  const std::string name = rest.substr(0, space);
  instruction.family = name.substr(0, name.find('.'));
  instruction.modifiers = name.substr(instruction.family.size()) + ".";
  if (space != std::string::npos) {
    static const std::regex separator("\\s*,\\s*|\\s+");
    const std::string list = rest.substr(space + 1);
    for (std::sregex_token_iterator each(list.begin(), list.end(), separator, -1), end; each != end;
         ++each) {
      if (each->length() > 0) instruction.operands.push_back(read_operand(*each));
    }
  }
  instruction.handler = find_handler(instruction);
  return instruction;
}

std::string demangle(const std::string& symbol) {
  char* text = abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, nullptr);
  std::string name = text == nullptr ? symbol : text;
  std::free(text);
  name = name.substr(0, name.rfind('('));  // the parameters
  const std::size_t space = name.find("vrs::");
  return space == std::string::npos ? name : name.substr(space);
}

}  // namespace

void fail(const std::string& reason) {
  std::fprintf(stderr, "machine_code: %s\n", reason.c_str());
  std::abort();
}

std::map<std::string, Kernel> read_kernels(const std::string& path) {
  std::ifstream file(path);
  if (!file) fail("cannot read " + path);
  std::map<std::string, Kernel> kernels;  // by symbol
  Kernel* kernel = nullptr;
  Kernel* table = nullptr;
  static const std::regex function("\\s*Function : (\\S+)");
  static const std::regex section("\\.nv\\.constant2\\.(\\S+)");
  static const std::regex words("(?:0x[0-9a-f]{8}\\s*)+");
  static const std::regex code("\\s+/\\*([0-9a-f]{4,})\\*/\\s+([^;]*?)\\s*;.*");
  std::smatch found;
  for (std::string line; std::getline(file, line);) {
    if (std::regex_match(line, found, code) && kernel != nullptr) {
      const auto offset =
          static_cast<std::uint32_t>(std::strtoul(found[1].str().c_str(), nullptr, 16));
      kernel->code.push_back(read_instruction(offset, found[2]));
    } else if (std::regex_match(line, found, function)) {
      kernel = &kernels[found[1]];
      table = nullptr;
    } else if (std::regex_match(line, found, section)) {
      table = &kernels[found[1]];
    } else if (table != nullptr && std::regex_match(line, words)) {
      for (std::size_t at = line.find("0x"); at != std::string::npos;
           at = line.find("0x", at + 2)) {
        table->jump_table.push_back(read_number(line.substr(at, 10)));
      }
    } else {
      table = nullptr;
    }
  }
  std::map<std::string, Kernel> named;
  for (auto& [symbol, each] : kernels) {
    each.name = demangle(symbol);
    named[each.name] = std::move(each);
  }
  return named;
}

}  // namespace machine_code
