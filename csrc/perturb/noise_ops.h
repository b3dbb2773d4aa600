// What a random word does to one value, on host and device: the definitions of family_noise.h, by
// tables that the host makes (noise_tables.h).
#pragma once

#include <cstdint>

#include "contract/host_device.h"
#include "contract/pixel_ops.h"

namespace vrs {

// A word of Gaussian or speckle noise: the top bit is the sign, the others look the magnitude up.
VRS_HOST_DEVICE constexpr int magnitude_bits(std::uint16_t word) {
  return word & 0x7FFF;
}

VRS_HOST_DEVICE inline std::uint8_t add_offset(std::uint8_t level, std::uint16_t word,
                                               std::uint8_t offset) {
  return clamp_to_u8(level + (word >> 15 ? -offset : offset));
}

constexpr int kSpeckleUnit = 4096;  // sigma 3 times the largest z, 4.3, still fits 16 bits

// `factor`: sigma * z in units of 1 / kSpeckleUnit.
VRS_HOST_DEVICE inline std::uint8_t scale_offset(std::uint8_t level, std::uint16_t factor) {
  return clamp_to_u8((level * factor + kSpeckleUnit / 2) / kSpeckleUnit);
}

// The tables of ShotTable, wherever they lie.
struct ShotView {
  int stride;
  const std::int32_t* first_above;
  const std::uint16_t* nearby;
  const std::uint8_t* levels;
};

VRS_HOST_DEVICE inline std::uint8_t count_photons(const ShotView& table, std::uint8_t level,
                                                  std::uint16_t word) {
  const std::int32_t* first_above = table.first_above + level * table.stride;
  int photons = table.nearby[level * 256 + word / 256];
  while (word >= first_above[photons]) ++photons;
  return table.levels[photons];
}

// Impulse noise: a pixel whose word is under `limit` becomes black or white.
VRS_HOST_DEVICE constexpr std::uint8_t impulse_level(std::uint16_t word) {
  return word % 2 == 0 ? 0 : 255;
}

}  // namespace vrs
