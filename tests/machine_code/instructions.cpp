// What the instructions of sm_90 do that our kernels consist of. An unknown one, or an unknown
// form, ends the program.
#include "instructions.h"

#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <sstream>
#include <string>

#include "operands.h"

namespace machine_code {
namespace {

void multiply(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  // [carry out,] a, b, c [, carry in]
  const bool is_wide = i.has("WIDE"), is_high = i.has("HI"), is_unsigned = i.has("U32");
  const std::size_t first = is_predicate(i.operands[1]) ? 2 : 1;
  if (first == 2 && i.operands[1].index != 7) fail("a carry: " + i.text);
  Values a, b, c, high = {}, low_out, high_out;
  read_values(block, warp, i.operands[first], a);
  read_values(block, warp, i.operands[first + 1], b);
  Operand addend = i.operands[first + 2];
  const bool is_subtracted = (is_wide || is_high) && addend.is_negative;
  if (is_subtracted) fail("a wide difference: " + i.text);
  read_values(block, warp, addend, c);
  if (is_wide || is_high) read_values(block, warp, next_register(addend), high);
  std::uint32_t carry = 0;
  if (i.has("X")) carry = read_predicate(warp, i.operands.back());
  for (int lane = 0; lane < kLanes; ++lane) {
    std::uint64_t product = std::uint64_t{a[lane]} * b[lane];
    if (!is_unsigned && (is_wide || is_high)) {
      product = static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(a[lane])} *
                                           static_cast<std::int32_t>(b[lane]));
    }
    const std::uint64_t sum = product + join(c[lane], high[lane]) + (carry >> lane & 1);
    low_out[lane] = static_cast<std::uint32_t>(is_high ? sum >> 32 : sum);
    high_out[lane] = static_cast<std::uint32_t>(sum >> 32);
  }
  write(warp, i.operands[0], lanes, low_out);
  if (is_wide) write(warp, next_register(i.operands[0]), lanes, high_out);
}

void add_three(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  // d, [carry out,] a, b, c [, carry in, carry in]
  std::size_t first = 1;
  while (is_predicate(i.operands[first])) ++first;
  Values out;
  std::uint64_t sums[kLanes] = {};
  for (std::size_t k = first; k < first + 3; ++k) {
    Operand operand = i.operands[k];
    const bool is_negative = operand.is_negative;
    operand.is_negative = false;
    Values values;
    read_values(block, warp, operand, values);
    for (int lane = 0; lane < kLanes; ++lane) {
      sums[lane] += is_negative ? std::uint64_t{~values[lane]} + 1 : values[lane];
    }
  }
  if (i.has("X")) {
    for (std::size_t k = first + 3; k < i.operands.size(); ++k) {
      const std::uint32_t carry = read_predicate(warp, i.operands[k]);
      for (int lane = 0; lane < kLanes; ++lane) sums[lane] += carry >> lane & 1;
    }
  }
  std::uint32_t carries[2] = {};  // a carry of 2 is both
  for (int lane = 0; lane < kLanes; ++lane) {
    out[lane] = static_cast<std::uint32_t>(sums[lane]);
    for (std::uint32_t k = 0; k < 2; ++k) carries[k] |= (sums[lane] >> 32 > k ? 1U : 0U) << lane;
  }
  for (std::size_t k = 1; k < first; ++k)
    write_predicate(warp, i.operands[k], lanes, carries[k - 1]);
  write(warp, i.operands[0], lanes, out);
}

void shift_and_add(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  // LEA d, [carry out,] a, b, shift; LEA.HI d, a, b, high of a, shift [, carry in]
  const bool is_high = i.has("HI"), is_extended = i.has("SX32");
  const std::size_t first = is_predicate(i.operands[1]) ? 2 : 1;
  const std::size_t shift_at = first + (is_high && !is_extended ? 3 : 2);
  Values a, b, high = {}, shift, out;
  read_values(block, warp, i.operands[first], a);
  read_values(block, warp, i.operands[first + 1], b);
  if (is_high && !is_extended) read_values(block, warp, i.operands[first + 2], high);
  read_values(block, warp, i.operands[shift_at], shift);
  const std::uint32_t carry = i.has("X") ? read_predicate(warp, i.operands[shift_at + 1]) : 0;
  std::uint32_t carries = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    if (is_extended) high[lane] = static_cast<std::int32_t>(a[lane]) < 0 ? kAllLanes : 0;
    const std::uint64_t shifted = join(a[lane], high[lane]) << (shift[lane] & 31);
    const std::uint64_t sum =
        std::uint64_t{static_cast<std::uint32_t>(is_high ? shifted >> 32 : shifted)} + b[lane] +
        (carry >> lane & 1);
    out[lane] = static_cast<std::uint32_t>(sum);
    carries |= (sum >> 32 != 0 ? 1U : 0U) << lane;
  }
  if (first == 2) write_predicate(warp, i.operands[1], lanes, carries);
  write(warp, i.operands[0], lanes, out);
}

void shift(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  const bool is_left = i.has("L"), is_high = i.has("HI"), is_signed = i.has("S32"),
             wraps = i.has("W");
  const bool is_wide = i.has("U64") || wraps;
  if (wraps && is_signed) fail("a shift: " + i.text);
  apply(block, warp, i, lanes, 1,
        [&](std::uint32_t low, std::uint32_t by, std::uint32_t high) -> std::uint32_t {
          const std::uint32_t count = wraps ? by & 31 : by < 63 ? by : 63;
          if (is_left)
            return static_cast<std::uint32_t>(join(low, high) << count >> (is_high ? 32 : 0));
          if (is_wide)
            return static_cast<std::uint32_t>(join(low, high) >> count >> (is_high ? 32 : 0));
          if (!is_high) fail("a shift: " + i.text);
          if (is_signed)
            return static_cast<std::uint32_t>(static_cast<std::int32_t>(high) >>
                                              (count < 31 ? count : 31));
          return count > 31 ? 0 : high >> count;
        });
}

std::uint32_t look_up(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t table) {
  std::uint32_t result = 0;
  for (int k = 0; k < 8; ++k) {
    if ((table >> k & 1) == 0) continue;
    result |= ((k & 4) != 0 ? a : ~a) & ((k & 2) != 0 ? b : ~b) & ((k & 1) != 0 ? c : ~c);
  }
  return result;
}

void combine_bits(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  // [P,] d, a, b, c, table, or P: P is whether the result is not 0, or the last one
  const std::size_t target = is_predicate(i.operands[0]) ? 1 : 0;
  Values in[3], out;
  for (int k = 0; k < 3; ++k) read_values(block, warp, i.operands[target + 1 + k], in[k]);
  std::uint32_t non_zero = read_predicate(warp, i.operands.back());
  for (int lane = 0; lane < kLanes; ++lane) {
    out[lane] = look_up(in[0][lane], in[1][lane], in[2][lane], i.operands[target + 4].number);
    non_zero |= (out[lane] != 0 ? 1U : 0U) << lane;
  }
  if (target == 1) write_predicate(warp, i.operands[0], lanes, non_zero);
  write(warp, i.operands[target], lanes, out);
}

void combine_predicates(Block&, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  std::uint32_t in[3];
  for (int k = 0; k < 3; ++k) in[k] = read_predicate(warp, i.operands[2 + k]);
  write_predicate(warp, i.operands[0], lanes, look_up(in[0], in[1], in[2], i.operands[5].number));
  write_predicate(warp, i.operands[1], lanes, look_up(in[0], in[1], in[2], i.operands[6].number));
}

void compare(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  // P, Q, a, b, combined with [, of the lower halves]
  Values a, b;
  read_values(block, warp, i.operands[2], a);
  read_values(block, warp, i.operands[3], b);
  const std::uint32_t other = read_predicate(warp, i.operands[4]);
  const bool is_extended = i.has("EX"), is_unsigned = i.has("U32");
  const std::uint32_t lower = is_extended ? read_predicate(warp, i.operands[5]) : 0;
  std::uint32_t result = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    const std::int64_t x = is_unsigned ? std::int64_t{a[lane]} : static_cast<std::int32_t>(a[lane]);
    const std::int64_t y = is_unsigned ? std::int64_t{b[lane]} : static_cast<std::int32_t>(b[lane]);
    const bool low = is_on(lower, lane);
    bool holds;
    if (i.has("EQ")) {
      holds = x == y && (!is_extended || low);
    } else if (i.has("NE")) {
      holds = x != y || low;
    } else {
      const bool is_less = i.has("LT") || i.has("LE");
      if (!is_less && !i.has("GT") && !i.has("GE")) fail("a comparison: " + i.text);
      const bool strict = is_less ? x < y : x > y;
      const bool with_equal = is_extended ? low : i.has("LE") || i.has("GE");
      holds = strict || (x == y && with_equal);
    }
    result |= (holds ? 1U : 0U) << lane;
  }
  const bool is_or = i.has("OR");
  if (!is_or && !i.has("AND")) fail("a comparison: " + i.text);
  write_predicate(warp, i.operands[0], lanes, is_or ? result | other : result & other);
  write_predicate(warp, i.operands[1], lanes, is_or ? ~result | other : ~result & other);
}

std::uint32_t permute_bytes(std::uint32_t low, std::uint32_t selector, std::uint32_t high) {
  const std::uint64_t bytes = join(low, high);
  std::uint32_t result = 0;
  for (int k = 0; k < 4; ++k) {
    const std::uint32_t digit = selector >> 4 * k & 15;
    std::uint32_t byte = bytes >> (digit & 7) * 8 & 255;
    if (digit > 7) byte = byte > 127 ? 255 : 0;
    result |= byte << 8 * k;
  }
  return result;
}

std::uint32_t choose(const Instruction& i, std::uint32_t a, std::uint32_t b, bool is_least) {
  const bool is_less =
      i.has("U32") ? a < b : static_cast<std::int32_t>(a) < static_cast<std::int32_t>(b);
  std::uint32_t result = is_less == is_least ? a : b;
  if (i.has("RELU") && static_cast<std::int32_t>(result) < 0) result = 0;
  return result;
}

// Each half on its own, unsigned.
std::uint32_t add_halves(std::uint32_t a, std::uint32_t b) {
  return ((a + b) & 0xFFFF) | ((a >> 16) + (b >> 16)) << 16;
}

std::uint32_t choose_halves(std::uint32_t a, std::uint32_t b, bool is_least) {
  const auto choose_half = [&](std::uint32_t x, std::uint32_t y) {
    return (x < y) == is_least ? x : y;
  };
  return choose_half(a & 0xFFFF, b & 0xFFFF) | choose_half(a >> 16, b >> 16) << 16;
}

void choose_extreme(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  const bool adds = i.family == "VIADDMNMX", are_halves = i.has("U16x2");
  const std::uint32_t least = read_predicate(warp, i.operands.back());
  const bool is_negated = i.operands[1].is_negative || i.operands[2].is_negative;
  if ((least != 0 && least != kAllLanes) || (are_halves && (is_negated || i.has("RELU")))) {
    fail("an extreme: " + i.text);
  }
  apply(block, warp, i, lanes, 1, [&](std::uint32_t a, std::uint32_t b, std::uint32_t c) {
    const std::uint32_t first = !adds ? a : are_halves ? add_halves(a, b) : a + b;
    const std::uint32_t second = adds ? c : b;
    return are_halves ? choose_halves(first, second, least != 0)
                      : choose(i, first, second, least != 0);
  });
}

void select(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  Values a, b;
  read_values(block, warp, i.operands[1], a);
  read_values(block, warp, i.operands[2], b);
  const std::uint32_t which = read_predicate(warp, i.operands[3]);
  for (int lane = 0; lane < kLanes; ++lane) a[lane] = is_on(which, lane) ? a[lane] : b[lane];
  write(warp, i.operands[0], lanes, a);
}

std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

float float_of(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// Divisions correct what these round, so that the last bits do not matter.
void convert(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  apply(block, warp, i, lanes, 1, [&](std::uint32_t a, std::uint32_t, std::uint32_t) {
    if (i.family == "MUFU" && i.has("RCP")) return bits_of(1 / float_of(a));
    if (i.family == "F2I" && i.has("U32") && i.has("TRUNC"))
      return static_cast<std::uint32_t>(float_of(a));
    if (i.family == "I2F" && i.has("RP")) {
      const double exact =
          i.has("U32") ? double{static_cast<double>(a)} : static_cast<std::int32_t>(a);
      const float nearest = static_cast<float>(exact);
      return bits_of(nearest < exact ? std::nextafter(nearest, HUGE_VALF) : nearest);
    }
    fail("a conversion: " + i.text);
  });
}

void pack_saturated(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  if (!i.has("U8") || !i.has("S32") || !i.has("SAT")) fail("a packing: " + i.text);
  const auto clamp = [](std::uint32_t value) {
    const auto number = static_cast<std::int32_t>(value);
    return static_cast<std::uint32_t>(number < 0 ? 0 : number > 255 ? 255 : number);
  };
  apply(block, warp, i, lanes, 1, [&](std::uint32_t a, std::uint32_t b, std::uint32_t c) {
    return clamp(b) | clamp(a) << 8 | c << 16;
  });
}

void move(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  apply(block, warp, i, lanes, 1, [](std::uint32_t a, std::uint32_t, std::uint32_t) { return a; });
}

void add(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  apply(block, warp, i, lanes, 1,
        [](std::uint32_t a, std::uint32_t b, std::uint32_t) { return a + b; });
}

void permute(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  apply(block, warp, i, lanes, 1, permute_bytes);
}

void make_absolute(Block& block, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  apply(block, warp, i, lanes, 1, [](std::uint32_t a, std::uint32_t, std::uint32_t) {
    return static_cast<std::int32_t>(a) < 0 ? 0 - a : a;
  });
}

void vote(Block&, Warp& warp, const Instruction& i, std::uint32_t lanes) {
  // VOTEU.ANY UP, P: whether some lane that takes part has it
  if (!i.has("ANY") || i.operands.size() != 2) fail("a vote: " + i.text);
  const bool any = (read_predicate(warp, i.operands[1]) & lanes) != 0;
  write_predicate(warp, i.operands[0], lanes, any ? lanes : 0);
}

void do_nothing(Block&, Warp&, const Instruction&, std::uint32_t) {}

// `forms`: the modifiers that the function heeds, or may leave aside.
struct Known {
  Handler handler;  // null: control flow
  const char* forms;
};

}  // namespace

Handler find_handler(const Instruction& instruction) {
  static const std::map<std::string, Known> instructions = {
      {"IMAD", {multiply, "HI IADD MOV SHL U32 WIDE X"}},
      {"UIMAD", {multiply, "HI IADD MOV SHL U32 WIDE X"}},
      {"IADD3", {add_three, "X"}},
      {"UIADD3", {add_three, "X"}},
      {"LEA", {shift_and_add, "HI SX32 X"}},
      {"ULEA", {shift_and_add, "HI SX32 X"}},
      {"SHF", {shift, "L R U32 S32 U64 HI W"}},
      {"USHF", {shift, "L R U32 S32 U64 HI W"}},
      {"LOP3", {combine_bits, "LUT"}},
      {"ULOP3", {combine_bits, "LUT"}},
      {"PLOP3", {combine_predicates, "LUT"}},
      {"UPLOP3", {combine_predicates, "LUT"}},
      {"ISETP", {compare, "EQ NE LT LE GT GE AND OR U32 EX"}},
      {"UISETP", {compare, "EQ NE LT LE GT GE AND OR U32 EX"}},
      {"PRMT", {permute, ""}},
      {"UPRMT", {permute, ""}},
      {"VIMNMX", {choose_extreme, "U32 RELU"}},
      {"VIADDMNMX", {choose_extreme, "U32 RELU U16x2"}},
      {"SEL", {select, ""}},
      {"USEL", {select, ""}},
      {"MUFU", {convert, "RCP"}},
      {"F2I", {convert, "FTZ U32 TRUNC NTZ"}},
      {"I2F", {convert, "U32 RP"}},
      {"S2R", {read_special, ""}},
      {"S2UR", {read_special, ""}},
      {"CS2R", {read_special, "32"}},
      {"LDC", {read_constants, "64"}},
      {"ULDC", {read_constants, "64"}},
      {"P2R", {pack_predicates, ""}},
      {"LDG", {load, "E 128 64 U16 U8 CONSTANT"}},
      {"LD", {load, "E 128 64 U16 U8"}},
      {"LDS", {load, "128 64 U16 U8"}},
      {"STG", {store, "E 128 64 U16 U8"}},
      {"ST", {store, "E 128 64 U16 U8"}},
      {"STS", {store, "128 64 U16 U8"}},
      {"IMMA", {multiply_matrices, "16832 S8 U8"}},
      {"I2IP", {pack_saturated, "U8 S32 SAT"}},
      {"MOV", {move, ""}},
      {"UMOV", {move, ""}},
      {"R2UR", {move, ""}},
      {"VIADD", {add, ""}},
      {"IABS", {make_absolute, ""}},
      {"VOTEU", {vote, "ANY"}},
      {"NOP", {do_nothing, ""}},
      {"BRA", {nullptr, "DIV CONV"}},
      {"BRX", {nullptr, ""}},
      {"EXIT", {nullptr, ""}},
      {"BSSY", {nullptr, ""}},
      {"BREAK", {nullptr, ""}},
      {"BSYNC", {nullptr, ""}},
      {"WARPSYNC", {nullptr, "ALL"}},
      {"BAR", {nullptr, "SYNC DEFER_BLOCKING"}},
  };
  const auto found = instructions.find(instruction.family);
  if (found == instructions.end()) fail("no such instruction: " + instruction.text);
  const std::string forms = std::string(" ") + found->second.forms + " ";
  std::istringstream given(instruction.modifiers);
  for (std::string each; std::getline(given, each, '.');) {
    if (each.empty() || forms.find(" " + each + " ") != std::string::npos) continue;
    fail("no such form: " + instruction.text);
  }
  return found->second.handler;
}

}  // namespace machine_code
