// Reads the pixels of a perturbed and padded image, on the device: the twin of perturbed_rows.cpp.
#pragma once

#include "cuda_work.h"
#include "gpu.h"
#include "perturb/noise_ops.h"
#include "perturb/philox.h"

namespace vrs {

// Neighbouring pixels of a row that one thread reads at a time, beginning at a multiple of their
// number: their 24 values take three whole draws of random words.
constexpr int kRunPixels = 8;

// A pixel is red, green, blue and 0, from the lowest byte up.
using Pixel = std::uint32_t;

__device__ inline std::uint8_t channel_of(Pixel pixel, int channel) {
  return static_cast<std::uint8_t>(pixel >> (8 * channel));
}

__device__ inline Pixel pack_pixel(std::uint32_t red, std::uint32_t green, std::uint32_t blue) {
  return red | green << 8 | blue << 16;
}

__device__ inline Pixel pack_pixel(const std::array<std::uint8_t, 4>& colour) {
  return pack_pixel(colour[0], colour[1], colour[2]);
}

__device__ inline Pixel load_pixel(const DeviceImage& image, int y, int x) {
  const std::uint8_t* pixel =
      image.pixels + y * image.row_stride + static_cast<std::int64_t>(x) * image.channels;
  return pack_pixel(pixel[0], pixel[1], pixel[2]);
}

// The kinds that show each pixel somewhere else.
__device__ inline bool is_moving(PerturbationKind kind) {
  return kind == PerturbationKind::pixelate || kind == PerturbationKind::patch_shuffle ||
         kind >= PerturbationKind::flip_horizontal;
}

struct Place {
  int y, x;
};

// Where in the image the pixel comes from that shows at (y, x).
__device__ inline Place find_source(const DeviceImage& image, const DevicePerturbation& change,
                                    int y, int x) {
  const int bottom = image.height - 1, right = image.width - 1;
  switch (change.kind) {
    case PerturbationKind::pixelate:  // the image is that of the cells
      return {y / change.patch_height, x / change.patch_width};
    case PerturbationKind::patch_shuffle: {
      const int height = change.patch_height, width = change.patch_width;
      const bool is_left_over = y >= height * change.rows || x >= width * change.columns;
      if (is_left_over) break;  // also where one of them is 0
      const int source = change.patches[y / height * change.columns + x / width];
      return {source / change.columns * height + y % height,
              source % change.columns * width + x % width};
    }
    case PerturbationKind::flip_horizontal:
      return {y, right - x};
    case PerturbationKind::flip_vertical:
      return {bottom - y, x};
    case PerturbationKind::rotate_90:
      return {x, right - y};
    case PerturbationKind::rotate_180:
      return {bottom - y, right - x};
    case PerturbationKind::rotate_270:
      return {bottom - x, y};
    case PerturbationKind::identity:
    case PerturbationKind::blank:
    case PerturbationKind::brightness:
    case PerturbationKind::contrast:
    case PerturbationKind::gamma:
    case PerturbationKind::gaussian_noise:
    case PerturbationKind::impulse_noise:
    case PerturbationKind::shot_noise:
    case PerturbationKind::speckle_noise:
    case PerturbationKind::gaussian_blur:
    case PerturbationKind::low_pass:
    case PerturbationKind::occlusion:
      break;
  }
  return {y, x};
}

// Eight pixels of a row in three or two wide loads, where its alignment allows that.
__device__ inline bool load_wide_run(const DeviceImage& image, int y, int x,
                                     Pixel (&run)[kRunPixels]) {
  const std::uint8_t* begin =
      image.pixels + y * image.row_stride + static_cast<std::int64_t>(x) * image.channels;
  const auto address = reinterpret_cast<std::uintptr_t>(begin);
  if (x + kRunPixels > image.width) return false;
  if (image.channels == 3 && address % sizeof(uint2) == 0) {
    const auto* words = reinterpret_cast<const uint2*>(begin);
    const uint2 a = words[0], b = words[1], c = words[2];
    run[0] = a.x & 0xFFFFFF;
    run[1] = a.x >> 24 | (a.y & 0xFFFF) << 8;
    run[2] = a.y >> 16 | (b.x & 0xFF) << 16;
    run[3] = b.x >> 8;
    run[4] = b.y & 0xFFFFFF;
    run[5] = b.y >> 24 | (c.x & 0xFFFF) << 8;
    run[6] = c.x >> 16 | (c.y & 0xFF) << 16;
    run[7] = c.y >> 8;
    return true;
  }
  if (image.channels == 4 && address % sizeof(uint4) == 0) {
    const auto* words = reinterpret_cast<const uint4*>(begin);
    const uint4 a = words[0], b = words[1];
    const std::uint32_t pixels[kRunPixels] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
    GPU_UNROLL
    for (int i = 0; i < kRunPixels; ++i) run[i] = pixels[i] & 0xFFFFFF;
    return true;
  }
  return false;
}

// Pixels x .. x + 7 of row `y`, moved; those beyond `width` repeat the last.
__device__ inline void load_run(const DeviceImage& image, const DevicePerturbation& change,
                                int width, int y, int x, Pixel (&run)[kRunPixels]) {
  if (!is_moving(change.kind) && load_wide_run(image, y, x, run)) return;
  GPU_UNROLL
  for (int i = 0; i < kRunPixels; ++i) {
    const Place source = find_source(image, change, y, x + i < width ? x + i : width - 1);
    run[i] = load_pixel(image, source.y, source.x);
  }
}

constexpr int kRunDraws = 3 * kRunPixels / Philox::kWordsPerDraw;

// Replaces each value of the run's third number `draw` by change(level, word).
template <int draw, typename Change>
__device__ void change_third(const std::array<std::uint16_t, Philox::kWordsPerDraw>& words,
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
__device__ void change_values(const std::array<std::uint64_t, 2>& key, int y, int x,
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

__device__ inline void add_noise(const DevicePerturbation& change, int y, int x,
                                 Pixel (&run)[kRunPixels]) {
  const PerturbationKind kind = change.kind;
  change_values(change.key, y, x, run, [&](std::uint8_t level, std::uint16_t word) {
    if (kind == PerturbationKind::shot_noise) return count_photons(change.shot, level, word);
    const int magnitude = magnitude_bits(word);
    const std::uint8_t offset = kind == PerturbationKind::gaussian_noise
                                    ? change.offsets[magnitude]
                                    : scale_offset(level, change.factors[magnitude]);
    return add_offset(level, word, offset);
  });
}

__device__ inline void strike_pixels(const DevicePerturbation& change, int y, int x,
                                     Pixel (&run)[kRunPixels]) {
  const auto words = Philox(change.key).draw_words(y, x / kRunPixels);
  GPU_UNROLL
  for (int i = 0; i < kRunPixels; ++i) {
    const Pixel level = impulse_level(words[i]);
    if (words[i] < change.limit) run[i] = pack_pixel(level, level, level);
  }
}

__device__ inline void map_levels(const std::uint8_t* levels, Pixel (&run)[kRunPixels]) {
  GPU_UNROLL
  for (int i = 0; i < kRunPixels; ++i) {
    run[i] = pack_pixel(levels[channel_of(run[i], 0)], levels[256 + channel_of(run[i], 1)],
                        levels[512 + channel_of(run[i], 2)]);
  }
}

__device__ inline void fill_region(const DevicePerturbation& change, int y, int x,
                                   Pixel (&run)[kRunPixels]) {
  const Region& region = change.region;
  if (y < region.top || y >= region.bottom) return;
  GPU_UNROLL
  for (int i = 0; i < kRunPixels; ++i) {
    if (x + i >= region.left && x + i < region.right) run[i] = pack_pixel(change.colour);
  }
}

// Pixels x .. x + 7 of row `y` of the perturbed image, `width` pixels wide; what lies beyond it is
// anything. `x` is a multiple of kRunPixels, `width` differs from the image's after a quarter turn.
__device__ inline void perturb_run(const DeviceImage& image, const DevicePerturbation& change,
                                   int width, int y, int x, Pixel (&run)[kRunPixels]) {
  if (change.kind == PerturbationKind::blank) {
    GPU_UNROLL
    for (int i = 0; i < kRunPixels; ++i) run[i] = pack_pixel(change.colour);
    return;
  }
  load_run(image, change, width, y, x, run);
  switch (change.kind) {
    case PerturbationKind::brightness:
    case PerturbationKind::contrast:
    case PerturbationKind::gamma:
      return map_levels(change.levels, run);
    case PerturbationKind::gaussian_noise:
    case PerturbationKind::speckle_noise:
    case PerturbationKind::shot_noise:
      return add_noise(change, y, x, run);
    case PerturbationKind::impulse_noise:
      return strike_pixels(change, y, x, run);
    case PerturbationKind::occlusion:
      return fill_region(change, y, x, run);
    case PerturbationKind::identity:
    case PerturbationKind::blank:
    case PerturbationKind::gaussian_blur:
    case PerturbationKind::low_pass:
    case PerturbationKind::pixelate:
    case PerturbationKind::patch_shuffle:
    case PerturbationKind::flip_horizontal:
    case PerturbationKind::flip_vertical:
    case PerturbationKind::rotate_90:
    case PerturbationKind::rotate_180:
    case PerturbationKind::rotate_270:
      return;
  }
}

}  // namespace vrs
