// Tables of noise; they depend only on the parameter of the noise, and are kept.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "noise_ops.h"

namespace vrs {

// |offset| for t, the lower 15 bits of a word.
struct NoiseTable {
  static constexpr int kEntries = 32768;
  std::vector<std::uint8_t> offsets;  // 32 KB, so that it stays in the innermost cache

  // The same for t < tail, from tables that fit vector registers: with the cell c = t / kCellWords
  // and the share f of the cell that lies before t, n = (starts[c] + slopes[c] * f) / kEstimateUnit
  // is |offset| or one less; it is one less if t >= first_above[n].
  static constexpr int kCellWords = 512;
  static constexpr int kCells = kEntries / kCellWords;
  static constexpr int kEstimateUnit = 128;
  std::array<std::uint16_t, kCells> starts{};
  std::array<std::uint16_t, kCells> slopes{};
  std::array<std::uint16_t, 256> first_above{};
  int tail = 0;

  std::vector<std::uint16_t> cells;  // OffsetCells

  // n for t, as above.
  int estimate(int t) const {
    const int cell = t / kCellWords;
    const int rise = slopes[cell] * (t % kCellWords) / kCellWords;
    return (starts[cell] + rise) / kEstimateUnit;
  }
};
std::shared_ptr<const NoiseTable> find_gaussian_noise(double sigma);

// sigma * z in units of 1 / kSpeckleUnit, rounded, for the lower 15 bits of a word.
std::shared_ptr<const std::vector<std::uint16_t>> find_speckle_noise(double sigma);

// Poisson counts by inversion of a word, for each level that a pixel had.
struct ShotTable {
  int stride = 0;                         // counts a level; the last stands for all larger ones
  std::vector<std::int32_t> first_above;  // [level][count]: the first word that gives a larger one
  std::vector<std::uint16_t> nearby;      // [level][word / 256]: the count at the first such word
  std::vector<std::uint8_t> levels;       // what a count becomes

  ShotView view() const { return {stride, first_above.data(), nearby.data(), levels.data()}; }
};
std::shared_ptr<const ShotTable> find_shot_noise(double photons);

}  // namespace vrs
