// Arithmetic on single pixel values, shared by every pass and backend: fixed point.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "host_device.h"

namespace vrs {

// Pillow's PRECISION_BITS, the most that any arithmetic here uses: 8 bits of result and 2 of
// headroom (coefficient sums can be negative or exceed one) leave 22 of an int32 for the
// coefficients.
constexpr int kCoefficientBits = 22;

// Half of one level, so that the final shift rounds.
VRS_HOST_DEVICE constexpr std::int32_t rounding_bias(int coefficient_bits) {
  return 1 << (coefficient_bits - 1);
}

VRS_HOST_DEVICE inline std::uint8_t clamp_to_u8(std::int32_t value) {
  return static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

VRS_HOST_DEVICE inline std::uint8_t round_to_level(double value) {
  return clamp_to_u8(static_cast<std::int32_t>(std::floor(value + 0.5)));
}

VRS_HOST_DEVICE inline std::uint8_t contrast_level(int level, double mean, double factor) {
  return round_to_level(mean + (level - mean) * factor);
}

VRS_HOST_DEVICE inline std::uint8_t level_from_accumulator(std::int32_t accumulator,
                                                           int coefficient_bits) {
  return clamp_to_u8(accumulator >> coefficient_bits);
}

// a / b rounded to nearest, from reciprocal = 1 / b: the remainder corrects the product. It is not
// right for all numbers (make_level_table tries every level), but quicker in vector code than a
// division.
inline float divide(float a, float b, float reciprocal) {
  const float quotient = a * reciprocal;
  return std::fma(std::fma(-quotient, b, a), reciprocal, quotient);
}

// The bits of the nearest bfloat16, the upper half of a float32; ties go to even.
inline std::uint16_t to_bfloat16(float value) {
  if (std::isnan(value)) return 0x7FC0;  // rounding up could carry into the sign
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

}  // namespace vrs
