// What perturbations derive once per image: tables of levels, of noise, weights and permutations.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "preprocess.h"

namespace vrs {

using LevelMaps = std::array<std::array<std::uint8_t, 256>, 3>;

LevelMaps map_brightness(double factor);
LevelMaps map_contrast(const ImageView& image, double factor);
LevelMaps map_gamma(double exponent);

// |offset| for the lower 15 bits of a word: 32 KB, so that it stays in the innermost cache.
std::vector<std::uint8_t> tabulate_gaussian_noise(double sigma);

// |sigma * z| in 1/4096 for the lower 15 bits of a word.
constexpr int kSpeckleBits = 12;
std::vector<std::uint16_t> tabulate_speckle_noise(double sigma);

// Poisson numbers by inversion: of level `l` and word `u` the first n with u < ends[first[l] + n].
struct ShotTable {
  std::array<std::int32_t, 257> first{};  // of each level's entries in `ends`, and the end of all
  std::vector<std::uint32_t> ends;        // the last of each level is 65536
  std::vector<std::uint16_t> guide;       // [level][u >> 8]: an n to begin at
  std::vector<std::uint8_t> levels;       // the level that n photons make
};
ShotTable tabulate_shot_noise(double photons);

// One per tap, symmetric about the middle; they sum to 256.
std::vector<std::uint16_t> gaussian_weights(double sigma);

// Mean colours of the cells, row by row, packed RGB.
std::vector<std::uint8_t> average_cells(const ImageView& image, int edge);

// A permutation of 0..count-1 (Fisher-Yates, from the last down).
std::vector<std::int32_t> permute(int count, const std::array<std::uint64_t, 2>& key);

}  // namespace vrs
