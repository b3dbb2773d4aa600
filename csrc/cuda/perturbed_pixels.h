// Reads the pixels of a perturbed and padded image, on the device: the twin of perturbed_rows.cpp.
#pragma once

#include "cuda_work.h"
#include "gpu.h"
#include "perturb/families.h"
#include "perturb/pixel_runs.h"

namespace vrs {

__device__ inline Pixel load_pixel(const DeviceImage& image, int y, int x) {
  const std::uint8_t* pixel =
      image.pixels + y * image.row_stride + static_cast<std::int64_t>(x) * image.channels;
  return pack_pixel(pixel[0], pixel[1], pixel[2]);
}

// For kinds that move pixels: the place in the image of the pixel that shows at (y, x).
__device__ inline Place find_source(const DeviceImage& image, const DevicePerturbation& change,
                                    int y, int x) {
  return with_kind(change.kind, [&](auto kind) -> Place {
    using Kind = decltype(kind);
    if constexpr (Kind::kIsMoving) {
      return Kind::find_source(image, change, y, x);
    } else {
      __builtin_unreachable();
    }
  });
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

// Loads pixels x .. x + 7 of row `y`, already moved; pixels beyond `width` repeat the last one.
__device__ inline void load_run(const DeviceImage& image, const DevicePerturbation& change,
                                int width, int y, int x, Pixel (&run)[kRunPixels]) {
  const bool is_moving =
      with_kind(change.kind, [](auto kind) { return decltype(kind)::kIsMoving; });
  if (!is_moving && load_wide_run(image, y, x, run)) return;
  GPU_UNROLL
  for (int i = 0; i < kRunPixels; ++i) {
    const int shown = x + i < width ? x + i : width - 1;
    const Place source = is_moving ? find_source(image, change, y, shown) : Place{y, shown};
    run[i] = load_pixel(image, source.y, source.x);
  }
}

// Pixels x .. x + 7 of row `y` of the perturbed image, which is `width` pixels wide; pixels beyond
// `width` are undefined. `x` is a multiple of kRunPixels. After a quarter turn `width` is not the
// image's.
__device__ inline void perturb_run(const DeviceImage& image, const DevicePerturbation& change,
                                   int width, int y, int x, Pixel (&run)[kRunPixels]) {
  const bool shows_image =
      with_kind(change.kind, [](auto kind) { return decltype(kind)::kShowsImage; });
  if (shows_image) load_run(image, change, width, y, x, run);
  with_kind(change.kind, [&](auto kind) { decltype(kind)::change_run(change, y, x, run); });
}

}  // namespace vrs
