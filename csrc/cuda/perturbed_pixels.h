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

// Eight pixels in words without gaps -> one in each; of RGB pixels the fourth bytes are undefined.
__device__ inline void unpack_run(const std::uint32_t (&words)[6], Pixel (&run)[kRunPixels]) {
  GPU_UNROLL
  for (int i = 0; i < kRunPixels; i += 4) {
    const std::uint32_t *three = words + 3 * i / 4, a = three[0], b = three[1], c = three[2];
    run[i] = a;
    run[i + 1] = __funnelshift_r(a, b, 24);
    run[i + 2] = __funnelshift_r(b, c, 16);
    run[i + 3] = c >> 8;
  }
}

__device__ inline void unpack_run(const std::uint32_t (&words)[8], Pixel (&run)[kRunPixels]) {
  GPU_UNROLL
  for (int i = 0; i < kRunPixels; ++i) run[i] = words[i];
}

// Eight pixels of a row in three or two wide loads.
template <int channels>
__device__ inline void load_wide(const std::uint8_t* begin, Pixel (&run)[kRunPixels]) {
  static_assert(channels == 3 || channels == 4);
  if constexpr (channels == 3) {
    const auto* words = reinterpret_cast<const uint2*>(begin);
    const uint2 a = __ldg(words), b = __ldg(words + 1), c = __ldg(words + 2);
    unpack_run({a.x, a.y, b.x, b.y, c.x, c.y}, run);
  } else {
    const auto* words = reinterpret_cast<const uint4*>(begin);
    const uint4 a = __ldg(words), b = __ldg(words + 1);
    unpack_run({a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}, run);
  }
}

// How many bytes `begin` lies beyond the start of a word.
__device__ inline unsigned skipped_bytes(const std::uint8_t* begin) {
  return static_cast<unsigned>(reinterpret_cast<std::uintptr_t>(begin) % sizeof(std::uint32_t));
}

// Whether the image has all aligned words in which the run lies: one of its first row or its last
// may reach into words that it shares.
__device__ inline bool has_words(const DeviceImage& image, const std::uint8_t* begin) {
  const unsigned skipped = skipped_bytes(begin);
  const std::uint8_t* end = image.pixels + offset_of(image, image.height - 1, image.width);
  return begin - skipped >= image.pixels &&
         begin + kRunPixels * image.channels + (-skipped & 3) <= end;
}

// Eight pixels of a row from any byte on, where has_words().
template <int channels>
__device__ inline void load_shifted(const std::uint8_t* begin, Pixel (&run)[kRunPixels]) {
  constexpr int kWords = 2 * channels;
  const unsigned skipped = skipped_bytes(begin);
  const auto* source = reinterpret_cast<const std::uint32_t*>(begin - skipped);
  std::uint32_t words[kWords], next = __ldg(source);
  GPU_UNROLL
  for (int i = 0; i < kWords; ++i) {
    const std::uint32_t word = next;
    next = __ldg(source + (i + 1 < kWords || skipped != 0 ? i + 1 : i));
    words[i] = __funnelshift_r(word, next, 8 * skipped);
  }
  unpack_run(words, run);
}

// Eight pixels of a row that stand in the image: `is_aligned`, or it has_words().
__device__ inline void load_run(const std::uint8_t* begin, int channels, bool is_aligned,
                                Pixel (&run)[kRunPixels]) {
  if (is_aligned) return channels == 3 ? load_wide<3>(begin, run) : load_wide<4>(begin, run);
  return channels == 3 ? load_shifted<3>(begin, run) : load_shifted<4>(begin, run);
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
    const auto address = reinterpret_cast<std::uintptr_t>(begin);
    const bool is_aligned = address % wide_load_bytes(image.channels) == 0;
    if (is_aligned || has_words(image, begin)) {
      return load_run(begin, image.channels, is_aligned, run);
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
__device__ inline void change_run(const DevicePerturbation& change, const BlockTables& tables,
                                  int y, int x, Pixel (&run)[kRunPixels]) {
  with_kind(change.kind, [&](auto kind) { decltype(kind)::change_run(change, tables, y, x, run); });
}

}  // namespace vrs
