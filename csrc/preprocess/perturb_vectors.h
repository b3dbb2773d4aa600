// The inner loops of the costly perturbations, written once for vectors of any width.
//
// `Vector` names an instruction set's register and operations. Everything here is a template of it:
// a function that two sets shared could be linked in the version of the wrong one.
#pragma once

#include <cstdint>

#include "noise_ops.h"
#include "perturb_kernels.h"
#include "perturb_tables.h"
#include "philox.h"

namespace vrs {

// The state of as many draws as a register has 64-bit lanes. Only the lower halves of the lanes
// count: that is what a multiplication reads, so that no product has to be taken apart.
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
    Vector::store(words, Vector::unpack_low_u64(first, second));
    Vector::store(words + sizeof(Register) / 2, Vector::unpack_high_u64(first, second));
  }
};

// Two sets of draws at a time hide each other's latency.
template <typename Vector>
void draw_words_of(const Philox& philox, int row, int begin, std::uint16_t* words) {
  using Register = typename Vector::Register;
  constexpr int kDraws = sizeof(Register) / 8;
  constexpr int kWords = kDraws * Philox::kWordsPerDraw;
  static_assert(kNoiseWords % (2 * kWords) == 0);
  const std::array<std::uint32_t, 4> key = philox.key_words();
  const Register factor0 = Vector::set_u32(Philox::kFactor0);
  const Register factor1 = Vector::set_u32(Philox::kFactor1);
  const Register step0 = Vector::set_u32(Philox::kStep0), step1 = Vector::set_u32(Philox::kStep1);
  for (int i = 0; i < kNoiseWords; i += 2 * kWords) {
    const int block = (begin + i) / Philox::kWordsPerDraw;
    const Register c1 = Vector::set_u32(row);
    const Register c2 = Vector::set_u32(key[2]), c3 = Vector::set_u32(key[3]);
    PhiloxLanes<Vector> a{Vector::number_draws(block), c1, c2, c3};
    PhiloxLanes<Vector> b{Vector::number_draws(block + kDraws), c1, c2, c3};
    Register k0 = Vector::set_u32(key[0]), k1 = Vector::set_u32(key[1]);
    for (int round = 0; round < Philox::kRounds; ++round) {
      a.do_round(factor0, factor1, k0, k1);
      b.do_round(factor0, factor1, k0, k1);
      k0 = Vector::add_u32(k0, step0);
      k1 = Vector::add_u32(k1, step1);
    }
    a.store(words + i);
    b.store(words + i + kWords);
  }
}

// In 16-bit halves of the product: the upper one is the quotient, the lower one's top bit rounds
// it.
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

template <typename Vector>
void weigh_rows_of(const std::uint8_t* const* rows, const std::uint16_t* weights, int taps,
                   int count, std::uint8_t* out) {
  using Register = typename Vector::Register;
  constexpr int kValues = sizeof(Register) / 2;
  constexpr int kVectors = 4;
  int begin = 0;
  for (; begin + kVectors * kValues <= count; begin += kVectors * kValues) {
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
  }
  for (; begin < count; ++begin) {
    int sum = 128;
    for (int t = 0; t < taps; ++t) sum += rows[t][begin] * weights[t];
    out[begin] = static_cast<std::uint8_t>(sum >> 8);
  }
}

}  // namespace vrs
