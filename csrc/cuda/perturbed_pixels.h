// Reads the pixels of a perturbed and padded image, on the device: the twin of perturbed_rows.cpp.
#pragma once

#include "cuda_work.h"
#include "gpu.h"
#include "perturb/families.h"
#include "perturb/pixel_runs.h"

namespace vrs {

__device__ inline std::int64_t offset_of(const DeviceImage& image, int y, int x) {
  return y * image.row_stride + static_cast<std::int64_t>(x) * image.channels;
}

__device__ inline Pixel load_pixel(const DeviceImage& image, int y, int x) {
  const std::uint8_t* pixel = image.pixels + offset_of(image, y, x);
  return pack_pixel(__ldg(pixel), __ldg(pixel + 1), __ldg(pixel + 2));
}

// Eight pixels of a row in three or two wide loads.
template <int channels>
__device__ inline void load_wide(const std::uint8_t* begin, Pixel (&run)[kRunPixels]) {
  static_assert(channels == 3 || channels == 4);
  if constexpr (channels == 3) {
    const auto* words = reinterpret_cast<const uint2*>(begin);
    const uint2 a = __ldg(words), b = __ldg(words + 1), c = __ldg(words + 2);
    run[0] = a.x;
    run[1] = __funnelshift_r(a.x, a.y, 24);
    run[2] = __funnelshift_r(a.y, b.x, 16);
    run[3] = b.x >> 8;
    run[4] = b.y;
    run[5] = __funnelshift_r(b.y, c.x, 24);
    run[6] = __funnelshift_r(c.x, c.y, 16);
    run[7] = c.y >> 8;
  } else {
    const auto* words = reinterpret_cast<const uint4*>(begin);
    const uint4 a = __ldg(words), b = __ldg(words + 1);
    const std::uint32_t pixels[kRunPixels] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
    GPU_UNROLL
    for (int i = 0; i < kRunPixels; ++i) run[i] = pixels[i];
  }
}

__device__ inline void load_wide(const std::uint8_t* begin, int channels,
                                 Pixel (&run)[kRunPixels]) {
  return channels == 3 ? load_wide<3>(begin, run) : load_wide<4>(begin, run);
}

// Loads pixels x .. x + 7 of row `y`, already moved; pixels beyond `width` repeat the last one.
template <typename Kind>
__device__ inline void load_each(const DeviceImage& image, const DevicePerturbation& change,
                                 int width, int y, int x, Pixel (&run)[kRunPixels]) {
  GPU_UNROLL
  for (int i = 0; i < kRunPixels; ++i) {
    Place source{y, x + i < width ? x + i : width - 1};
    if constexpr (Kind::kIsMoving) source = Kind::find_source(image, change, y, source.x);
    run[i] = load_pixel(image, source.y, source.x);
  }
}

// Where the pixels x .. x + 7 of row `y` lie in the image, if they are neighbours there.
__device__ inline bool find_run(const DeviceImage& image, const DevicePerturbation& change, int y,
                                int x, Place& place) {
  place = {y, x};
  return with_kind(change.kind, [&](auto kind) {
    using Kind = decltype(kind);
    if constexpr (Kind::kIsMoving) {
      if (!Kind::keeps_run(image, change, y, x)) return false;
      place = Kind::find_source(image, change, y, x);
    }
    return Kind::kShowsImage;
  });
}

// Pixels x .. x + 7 of row `y` of the perturbed image, before their levels change; the image is
// `width` pixels wide, and pixels beyond are undefined. `x` is a multiple of kRunPixels. After a
// quarter turn `width` is not the image's.
__device__ inline void read_unchanged(const DeviceImage& image, const DevicePerturbation& change,
                                      int width, int y, int x, Pixel (&run)[kRunPixels]) {
  Place place;
  if (find_run(image, change, y, x, place) && place.x + kRunPixels <= image.width) {
    const std::uint8_t* begin = image.pixels + offset_of(image, place.y, place.x);
    if (reinterpret_cast<std::uintptr_t>(begin) % wide_load_bytes(image.channels) == 0) {
      return load_wide(begin, image.channels, run);
    }
  }
  const bool loads_each = with_kind(change.kind, [&](auto kind) {
    using Kind = decltype(kind);
    if constexpr (Kind::kIsMoving) load_each<Kind>(image, change, width, y, x, run);
    return Kind::kShowsImage && !Kind::kIsMoving;
  });
  if (loads_each) load_each<Identity>(image, change, width, y, x, run);  // once for all kinds
}

// Changes the levels of such pixels.
__device__ inline void change_run(const DevicePerturbation& change, int y, int x,
                                  Pixel (&run)[kRunPixels]) {
  with_kind(change.kind, [&](auto kind) { decltype(kind)::change_run(change, y, x, run); });
}

}  // namespace vrs
