// The data that the device's half of a perturbation works on: an image in device memory, and eight
// neighbouring pixels of a row, which a thread holds in registers.
#pragma once

#include <array>
#include <cstdint>

#include "contract/host_device.h"
#include "contract/preprocess.h"
#include "noise_ops.h"
#include "philox.h"

namespace vrs {

// Pixels in device memory, rows of packed RGB or RGBX.
struct DeviceImage {
  const std::uint8_t* pixels;
  std::int64_t row_stride;
  int height;
  int width;
  int channels;
};

// Divides by a number up to 2^16 in one multiplication: the quotient of n is right where n times
// that number is under 2^32.
struct Divisor {
  int value = 1;
  std::uint32_t inverse = 0;  // 2^32 / value, rounded up; unused for 1
};

constexpr Divisor make_divisor(int value) {
  return {value, value <= 1 ? 0 : 0xFFFFFFFFU / static_cast<std::uint32_t>(value) + 1};
}

VRS_HOST_DEVICE constexpr int divide(int n, const Divisor& divisor) {
  if (divisor.value <= 1) return n;
  return static_cast<int>(std::uint64_t{static_cast<std::uint32_t>(n)} * divisor.inverse >> 32);
}

// Everything that kinds read on the device; a kind uses only the few fields that its lay_out()
// writes.
struct DevicePerturbation {
  PerturbationKind kind;
  std::array<std::uint64_t, 2> key;
  std::array<std::uint8_t, 4> colour;  // blank, occlusion; the fourth is 0
  Region region;                       // occlusion
  int limit;                           // impulse_noise: the first word without effect
  int rows;                            // patch_shuffle
  Divisor columns;                     // patch_shuffle
  Divisor patch_height, patch_width;   // patch_shuffle; pixelate: of a cell, a pixel of the image
  const std::uint8_t* levels;          // of the family of levels: [3][256]
  const std::uint8_t* offsets;         // gaussian_noise: NoiseTable::offsets
  const std::uint16_t* factors;        // speckle_noise
  ShotView shot;                       // shot_noise
  const std::int32_t* patches;         // patch_shuffle: the source of each
};

struct Place {
  int y, x;
};

// Neighbouring pixels of a row that one thread reads at a time, beginning at a multiple of their
// number: their 24 values take three whole draws of random words.
constexpr int kRunPixels = 8;

// Bytes of the loads that read a run where it is aligned for them: three of them, or two.
VRS_HOST_DEVICE constexpr std::uintptr_t wide_load_bytes(int channels) {
  return channels == 3 ? 8 : 16;
}

// A pixel is red, green, blue and a byte that nothing reads, from the lowest byte up.
using Pixel = std::uint32_t;

VRS_DEVICE inline std::uint8_t channel_of(Pixel pixel, int channel) {
  return static_cast<std::uint8_t>(pixel >> (8 * channel));
}

VRS_DEVICE inline Pixel pack_pixel(std::uint32_t red, std::uint32_t green, std::uint32_t blue) {
  return red | green << 8 | blue << 16;
}

VRS_DEVICE inline Pixel pack_pixel(const std::array<std::uint8_t, 4>& colour) {
  return pack_pixel(colour[0], colour[1], colour[2]);
}

constexpr int kRunDraws = 3 * kRunPixels / Philox::kWordsPerDraw;

// Replaces each value of the run's third number `draw` by change(level, word).
template <int draw, typename Change>
VRS_DEVICE void change_third(const std::array<std::uint16_t, Philox::kWordsPerDraw>& words,
                             Pixel (&run)[kRunPixels], const Change& change) {
  GPU_UNROLL
  for (int i = 0; i < Philox::kWordsPerDraw; ++i) {
    const int value = draw * Philox::kWordsPerDraw + i;
    const int shift = 8 * (value % 3);
    Pixel& pixel = run[value / 3];
    const Pixel changed = change(channel_of(pixel, value % 3), words[i]);
    pixel = (pixel & ~(Pixel{0xFF} << shift)) | changed << shift;
  }
}

// Replaces each of the run's values by change(level, word). One draw at a time, as three at once
// take twice the registers.
template <typename Change>
VRS_DEVICE void change_values(const std::array<std::uint64_t, 2>& key, int y, int x,
                              Pixel (&run)[kRunPixels], const Change& change) {
  static_assert(kRunDraws == 3, "a third of the run for each draw");
  const Philox philox(key);
  GPU_KEEP_LOOP
  for (int draw = 0; draw < kRunDraws; ++draw) {
    const auto words = philox.draw_words(y, x / kRunPixels * kRunDraws + draw);
    if (draw == 0) change_third<0>(words, run, change);
    if (draw == 1) change_third<1>(words, run, change);
    if (draw == 2) change_third<2>(words, run, change);
  }
}

}  // namespace vrs
