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
  const std::uint16_t* offset_cells;   // gaussian_noise: OffsetCells
  const std::uint16_t* factors;        // speckle_noise
  ShotView shot;                       // shot_noise
  const std::int32_t* patches;         // patch_shuffle: the source of each
};

// Tables that are read at random, as a block of threads has them: in its own memory, or where the
// perturbation has them.
struct BlockTables {
  const std::uint16_t* offset_cells;
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

// Bytes of two words, the first one's being 0 to 3: those that the digits of `selector` name, the
// lowest first.
VRS_DEVICE inline std::uint32_t pick_bytes(std::uint32_t a, std::uint32_t b,
                                           std::uint32_t selector) {
#ifdef __CUDA_ARCH__
  return __byte_perm(a, b, selector);
#else
  const std::uint64_t both = std::uint64_t{b} << 32 | a;
  std::uint32_t picked = 0;
  for (int i = 0; i < 4; ++i) {
    picked |= static_cast<std::uint32_t>(both >> 8 * (selector >> 4 * i & 7) & 0xFF) << 8 * i;
  }
  return picked;
#endif
}

// Replaces the values of the run's third number `draw`, two at a time, by change(levels, words).
template <int draw, typename Change>
VRS_DEVICE void change_third(const std::array<std::uint32_t, 4>& words, Pixel (&run)[kRunPixels],
                             const Change& change) {
  GPU_UNROLL
  for (int i = 0; i < 4; ++i) {
    const int value = draw * Philox::kWordsPerDraw + 2 * i;
    const int first = value % 3, second = (value + 1) % 3;
    Pixel &a = run[value / 3], &b = run[(value + 1) / 3];
    const Pair changed = change(pick_bytes(a, b, first | (4 + second) << 8) & 0x00FF00FF, words[i]);
    constexpr std::uint32_t kAll = 0x3210, kFirst = 4, kSecond = 6;  // their places in `changed`
    a = pick_bytes(a, changed, (kAll & ~(0xF << 4 * first)) | kFirst << 4 * first);
    b = pick_bytes(b, changed, (kAll & ~(0xF << 4 * second)) | kSecond << 4 * second);
  }
}

// Replaces the run's values, two at a time, by change(levels, words). One draw at a time, as three
// at once take twice the registers.
template <typename Change>
VRS_DEVICE void change_values(const std::array<std::uint64_t, 2>& key, int y, int x,
                              Pixel (&run)[kRunPixels], const Change& change) {
  static_assert(kRunDraws == 3, "a third of the run for each draw");
  const Philox philox(key);
  GPU_KEEP_LOOP
  for (int draw = 0; draw < kRunDraws; ++draw) {
    const auto words = philox.draw(y, x / kRunPixels * kRunDraws + draw);
    if (draw == 0) change_third<0>(words, run, change);
    if (draw == 1) change_third<1>(words, run, change);
    if (draw == 2) change_third<2>(words, run, change);
  }
}

}  // namespace vrs
