// Four pixels at a time: reads four neighbours of a row, and splits any four into a word a channel.
#pragma once

#include "cuda_work.h"
#include "gpu.h"
#include "perturbed_pixels.h"

namespace vrs {

// The levels of one channel in each word, the first pixel's in the lowest byte.
__device__ inline void split_four(const Pixel (&pixels)[4], std::uint32_t& red,
                                  std::uint32_t& green, std::uint32_t& blue) {
  const std::uint32_t red_green_0 = __byte_perm(pixels[0], pixels[1], 0x5140);
  const std::uint32_t red_green_2 = __byte_perm(pixels[2], pixels[3], 0x5140);
  const std::uint32_t blue_0 = __byte_perm(pixels[0], pixels[1], 0x62);
  const std::uint32_t blue_2 = __byte_perm(pixels[2], pixels[3], 0x62);
  red = __byte_perm(red_green_0, red_green_2, 0x5410);
  green = __byte_perm(red_green_0, red_green_2, 0x7632);
  blue = __byte_perm(blue_0, blue_2, 0x5410);
}

__device__ inline int clamp_index(int index, int count) {
  return index < 0 ? 0 : index < count ? index : count - 1;
}

// Whether load_four() may read words of this image's rows.
__device__ inline bool has_aligned_rows(const DeviceImage& image) {
  const auto bits = reinterpret_cast<std::uintptr_t>(image.pixels) |
                    static_cast<std::uintptr_t>(image.row_stride);
  return bits % (image.channels == 3 ? sizeof(std::uint32_t) : sizeof(uint4)) == 0;
}

// Pixels x .. x + 3 of a row, whose fourth bytes are undefined; beyond the edges the edge's pixels.
// `x` is a multiple of 4.
__device__ inline void load_four(const DeviceImage& image, bool is_aligned, const std::uint8_t* row,
                                 int x, Pixel (&pixels)[4]) {
  if (!is_aligned || x < 0 || x + 4 > image.width) {
    GPU_UNROLL
    for (int i = 0; i < 4; ++i) {
      const std::uint8_t* pixel = row + clamp_index(x + i, image.width) * image.channels;
      pixels[i] = pack_pixel(__ldg(pixel), __ldg(pixel + 1), __ldg(pixel + 2));
    }
  } else if (image.channels == 3) {
    const auto* words = reinterpret_cast<const std::uint32_t*>(row + 3 * x);
    const std::uint32_t a = __ldg(words), b = __ldg(words + 1), c = __ldg(words + 2);
    pixels[0] = a;
    pixels[1] = __funnelshift_r(a, b, 24);
    pixels[2] = __funnelshift_r(b, c, 16);
    pixels[3] = c >> 8;
  } else {
    const uint4 four = __ldg(reinterpret_cast<const uint4*>(row + 4 * x));
    pixels[0] = four.x;
    pixels[1] = four.y;
    pixels[2] = four.z;
    pixels[3] = four.w;
  }
}

}  // namespace vrs
