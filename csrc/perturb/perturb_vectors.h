// The inner loops of the costly perturbations, written once for vectors of any width.
//
// `Vector` names an instruction set's register and operations. Everything here is a template of it:
// if two sets shared a function, the linker could take the version of the wrong set.
#pragma once

#include <cstdint>

#include "noise_ops.h"
#include "noise_tables.h"
#include "perturb_kernels.h"
#include "philox.h"

namespace vrs {

// The state of as many draws as a register has 64-bit lanes. Only the lower halves of the lanes
// count: a multiplication reads only those, so products need no splitting.
template <typename Vector>
struct PhiloxLanes {
  using Register = typename Vector::Register;

  Register c0, c1, c2, c3;

  void do_round(Register factor0, Register factor1, Register k0, Register k1) {
    const Register product0 = Vector::multiply_u32(c0, factor0);
    const Register product1 = Vector::multiply_u32(c2, factor1);
    c0 = Vector::xor3(Vector::upper_halves(product1), c1, k0);
    c1 = product1;
    c2 = Vector::xor3(Vector::upper_halves(product0), c3, k1);
    c3 = product0;
  }

  // The draws of the even lanes, then those of the odd ones.
  void store(std::uint16_t* words) const {
    const Register first = Vector::join_halves(c0, c1), second = Vector::join_halves(c2, c3);
    constexpr int kRegisterWords = sizeof(Register) / sizeof(std::uint16_t);
    Vector::store(words, Vector::unpack_low_u64(first, second));
    Vector::store(words + kRegisterWords, Vector::unpack_high_u64(first, second));
  }
};

// Makes several sets of draws at a time, which hide each other's latency: as many as fit registers.
template <typename Vector>
void draw_words_of(const Philox& philox, int row, int begin, std::uint16_t* words) {
  using Register = typename Vector::Register;
  constexpr int kDraws = sizeof(Register) / 8;
  constexpr int kWords = kDraws * Philox::kWordsPerDraw;
  constexpr int kSets = Vector::kDrawSets;
  static_assert(kNoiseWords % (kSets * kWords) == 0);
  const std::array<std::uint32_t, 4> key = philox.key_words();
  const Register factor0 = Vector::set_u32(Philox::kFactor0);
  const Register factor1 = Vector::set_u32(Philox::kFactor1);
  const Register step0 = Vector::set_u32(Philox::kStep0), step1 = Vector::set_u32(Philox::kStep1);
  for (int i = 0; i < kNoiseWords; i += kSets * kWords) {
    const int block = (begin + i) / Philox::kWordsPerDraw;
    PhiloxLanes<Vector> sets[kSets];
    for (int s = 0; s < kSets; ++s) {
      sets[s] = {Vector::number_draws(block + s * kDraws), Vector::set_u32(row),
                 Vector::set_u32(key[2]), Vector::set_u32(key[3])};
    }
    Register k0 = Vector::set_u32(key[0]), k1 = Vector::set_u32(key[1]);
    for (int round = 0; round < Philox::kRounds; ++round) {
      for (PhiloxLanes<Vector>& set : sets) set.do_round(factor0, factor1, k0, k1);
      k0 = Vector::add_u32(k0, step0);
      k1 = Vector::add_u32(k1, step1);
    }
    for (int s = 0; s < kSets; ++s) sets[s].store(words + i + s * kWords);
  }
}

// Works on the 16-bit halves of the product: the upper half is the quotient, the top bit of the
// lower half rounds it.
template <typename Vector>
void scale_offsets_of(const std::uint16_t* factors, const std::uint8_t* levels, int count,
                      std::uint8_t* offsets) {
  constexpr int kValues = sizeof(typename Vector::Register) / 2;
  const auto unit = Vector::set_u16(65536 / kSpeckleUnit);
  int i = 0;
  for (; i + kValues <= count; i += kValues) {
    const auto level = Vector::multiply_i16(Vector::widen(levels + i), unit);
    const auto factor = Vector::load(factors + i);
    const auto half = Vector::top_bits(Vector::multiply_i16(level, factor));
    Vector::narrow(offsets + i, Vector::add_i16(Vector::multiply_upper_u16(level, factor), half));
  }
  for (; i < count; ++i) offsets[i] = scale_offset(levels[i], factors[i]);
}

template <typename Vector>
void add_offsets_of(const std::uint16_t* words, const std::uint8_t* offsets, int count,
                    std::uint8_t* levels) {
  constexpr int kValues = sizeof(typename Vector::Register) / 2;
  int i = 0;
  for (; i + kValues <= count; i += kValues) {
    const auto noise = Vector::negate_i16(Vector::widen(offsets + i), Vector::load(words + i));
    Vector::narrow(levels + i, Vector::add_i16(Vector::widen(levels + i), noise));
  }
  for (; i < count; ++i) {
    levels[i] = add_offset(levels[i], words[i], offsets[i]);
  }
}

// Calls weigh(begin) for blocks of `block` values that together cover all `count` values; the last
// block may overlap another. False if no block fits.
template <typename Weigh>
bool for_each_block(int count, int block, const Weigh& weigh) {
  if (count < block) return false;
  for (int begin = 0; begin + block < count; begin += block) weigh(begin);
  weigh(count - block);
  return true;
}

// Sums of interleaved bytes, as unpack_low_u8 and unpack_high_u8 part them -> levels.
template <typename Vector>
void store_levels(typename Vector::Register low, typename Vector::Register high,
                  std::uint8_t* out) {
  Vector::store_bytes(out, Vector::pack_u8(Vector::upper_bytes(low), Vector::upper_bytes(high)));
}

// Multiplies two taps at once: bytes times int8 weights; the sum of two products fits an int16.
template <typename Vector>
bool weigh_row_pairs(const std::uint8_t* const* rows, const std::uint16_t* weights, int taps,
                     int count, std::uint8_t* out) {
  using Register = typename Vector::Register;
  constexpr int kBytes = sizeof(Register), kVectors = 2;
  return for_each_block(count, kVectors * kBytes, [=](int begin) {
    Register low[kVectors], high[kVectors];
    for (int v = 0; v < kVectors; ++v) low[v] = high[v] = Vector::set_u16(128);
    for (int t = 0; t < taps; t += 2) {
      const bool is_single = t + 1 == taps;
      const std::uint8_t* first = rows[t] + begin;
      const std::uint8_t* second = is_single ? first : rows[t + 1] + begin;
      const Register pair = Vector::set_u16(
          static_cast<std::uint16_t>(weights[t] | (is_single ? 0 : weights[t + 1] << 8)));
      for (int v = 0; v < kVectors; ++v) {
        const Register a = Vector::load_bytes(first + v * kBytes);
        const Register b = Vector::load_bytes(second + v * kBytes);
        low[v] = Vector::add_i16(low[v], Vector::multiply_pairs(Vector::unpack_low_u8(a, b), pair));
        high[v] =
            Vector::add_i16(high[v], Vector::multiply_pairs(Vector::unpack_high_u8(a, b), pair));
      }
    }
    for (int v = 0; v < kVectors; ++v) {
      store_levels<Vector>(low[v], high[v], out + begin + v * kBytes);
    }
  });
}

template <typename Vector>
bool can_pair(const std::uint16_t* weights, int taps) {
  constexpr int kMostOfTwo = 128;  // 128 * 255 fits an int16, and no weight of 128 has a neighbour
  for (int t = 0; t + 1 < taps; ++t) {
    if (weights[t] + weights[t + 1] > kMostOfTwo) return false;
  }
  return taps > 1;
}

template <typename Vector>
void weigh_rows_of(const std::uint8_t* const* rows, const std::uint16_t* weights, int taps,
                   int count, std::uint8_t* out) {
  using Register = typename Vector::Register;
  if (can_pair<Vector>(weights, taps) && weigh_row_pairs<Vector>(rows, weights, taps, count, out))
    return;
  constexpr int kValues = sizeof(Register) / 2;
  constexpr int kVectors = 4;
  const bool is_done = for_each_block(count, kVectors * kValues, [=](int begin) {
    Register sums[kVectors];
    for (Register& sum : sums) sum = Vector::set_u16(128);
    for (int t = 0; t < taps; ++t) {
      const Register weight = Vector::set_u16(weights[t]);
      for (int v = 0; v < kVectors; ++v) {
        const Register levels = Vector::widen(rows[t] + begin + v * kValues);
        sums[v] = Vector::add_i16(sums[v], Vector::multiply_i16(levels, weight));
      }
    }
    for (int v = 0; v < kVectors; ++v) {
      Vector::narrow(out + begin + v * kValues, Vector::upper_bytes(sums[v]));
    }
  });
  for (int i = is_done ? count : 0; i < count; ++i) {
    int sum = 128;
    for (int t = 0; t < taps; ++t) sum += rows[t][i] * weights[t];
    out[i] = static_cast<std::uint8_t>(sum >> 8);
  }
}

// Reads and interleaves a pair of neighbouring rows once, for both outputs.
template <typename Vector>
void weigh_two_rows_of(const std::uint8_t* const* rows, const std::uint16_t* weights, int taps,
                       int count, std::uint8_t* out, std::uint8_t* next_out) {
  using Register = typename Vector::Register;
  constexpr int kBytes = sizeof(Register), kVectors = 2;
  std::uint16_t pairs[kMaxBlurTaps + 1];  // [t]: of the taps t - 1 and t
  pairs[0] = static_cast<std::uint16_t>(weights[0] << 8);
  for (int t = 1; t < taps; ++t) {
    pairs[t] = static_cast<std::uint16_t>(weights[t - 1] | weights[t] << 8);
  }
  pairs[taps] = weights[taps - 1];
  const auto weigh = [&](int begin) {
    Register low[kVectors], high[kVectors], next_low[kVectors], next_high[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      low[v] = high[v] = next_low[v] = next_high[v] = Vector::set_u16(128);
    }
    for (int t = 0; t < taps; t += 2) {
      const Register pair = Vector::set_u16(pairs[t + 1]), next_pair = Vector::set_u16(pairs[t]);
      for (int v = 0; v < kVectors; ++v) {
        const Register a = Vector::load_bytes(rows[t] + begin + v * kBytes);
        const Register b = Vector::load_bytes(rows[t + 1] + begin + v * kBytes);
        const Register even = Vector::unpack_low_u8(a, b), odd = Vector::unpack_high_u8(a, b);
        low[v] = Vector::add_i16(low[v], Vector::multiply_pairs(even, pair));
        high[v] = Vector::add_i16(high[v], Vector::multiply_pairs(odd, pair));
        next_low[v] = Vector::add_i16(next_low[v], Vector::multiply_pairs(even, next_pair));
        next_high[v] = Vector::add_i16(next_high[v], Vector::multiply_pairs(odd, next_pair));
      }
    }
    for (int v = 0; v < kVectors; ++v) {
      store_levels<Vector>(low[v], high[v], out + begin + v * kBytes);
      store_levels<Vector>(next_low[v], next_high[v], next_out + begin + v * kBytes);
    }
  };
  if (can_pair<Vector>(weights, taps) && for_each_block(count, kVectors * kBytes, weigh)) return;
  weigh_rows_of<Vector>(rows, weights, taps, count, out);
  weigh_rows_of<Vector>(rows + 1, weights, taps, count, next_out);
}

}  // namespace vrs
