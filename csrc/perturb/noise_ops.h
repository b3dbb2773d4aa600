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

// Two 16-bit numbers in a word, the first in the lower half.
using Pair = std::uint32_t;

VRS_HOST_DEVICE constexpr Pair join_halves(std::uint32_t first, std::uint32_t second) {
  return first | second << 16;
}

// |offset| of Gaussian noise for t, the lower 15 bits of a word, as a GPU looks it up: in a sixth
// of the memory of a byte for each t. Sixteen t share a cell, which holds the sum of their offsets.
// These rise by 1 at most within it: each offset, but 0, stays for 17 t or more, whatever sigma is,
// as none is over 255. They rise faster for the last t, which have a cell each.
struct OffsetCells {
  static constexpr int kShare = 16;
  static constexpr int kSingle = 768;  // the last t
  static constexpr int kFirstSingle = 32768 - kSingle;
  static constexpr int kCount = kFirstSingle / kShare + kSingle;

  VRS_HOST_DEVICE static constexpr int cell_of(int t) {
    const int shared = t / kShare, single = t - kFirstSingle + kFirstSingle / kShare;
    return shared > single ? shared : single;
  }
  VRS_HOST_DEVICE static constexpr Pair look_up(const std::uint16_t* cells, Pair words) {
    const Pair t = words & 0x7FFF7FFF;
    const Pair sums = join_halves(cells[cell_of(t & 0xFFFF)], cells[cell_of(t >> 16)]);
    return (sums + (t & 0x000F000F)) / kShare & 0x00FF00FF;
  }
};

// 255 where a word's top bit is set, else 0. On a GPU one instruction, which __byte_perm() is not:
// digits 9 and B spread the top bit of bytes 1 and 3, 4 takes a byte of the second operand, 0.
VRS_HOST_DEVICE inline Pair sign_masks(Pair words) {
#ifdef __CUDA_ARCH__
  Pair masks;
  asm("prmt.b32 %0, %1, 0, 0x4B49;" : "=r"(masks) : "r"(words));
  return masks;
#else
  return (words >> 15 & 0x00010001) * 255;
#endif
}

// The sums of levels, at most 255.
VRS_HOST_DEVICE inline Pair add_levels(Pair a, Pair b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900 && __CUDACC_VER_MAJOR__ >= 12
  return __viaddmin_u16x2(a, b, 0x00FF00FF);
#else
  const Pair sums = a + b;
  return (sums | (sums >> 8 & 0x00010001) * 255) & 0x00FF00FF;
#endif
}

// add_offset() of two values.
VRS_HOST_DEVICE inline Pair add_offsets(Pair levels, Pair words, Pair offsets) {
  const Pair masks = sign_masks(words);  // where a level falls, 255 - level grows
  return add_levels(levels ^ masks, offsets) ^ masks;
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
