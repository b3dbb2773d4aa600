// Arithmetic on single pixel values, shared by every pass and backend: Pillow's fixed point.
#pragma once

#include <cmath>
#include <cstdint>

namespace vrs {

// Pillow's PRECISION_BITS: 8 bits of result and 2 of headroom (coefficient sums can be negative or
// exceed one) leave 22 of an int32 for the coefficients.
constexpr int kCoefficientBits = 22;

// Half of one level, so that the final shift rounds.
constexpr std::int32_t kRoundingBias = 1 << (kCoefficientBits - 1);

inline std::uint8_t clamp_to_u8(std::int32_t value) {
  return static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

inline std::uint8_t level_from_accumulator(std::int32_t accumulator) {
  return clamp_to_u8(accumulator >> kCoefficientBits);
}

// a / b rounded to nearest, from reciprocal = 1 / b: the remainder corrects the product. Where this
// holds (make_level_table tries every level) it is quicker than a division in vector code.
inline float divide(float a, float b, float reciprocal) {
  const float quotient = a * reciprocal;
  return std::fma(std::fma(-quotient, b, a), reciprocal, quotient);
}

}  // namespace vrs
