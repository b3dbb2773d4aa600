// Products of a warp on the tensor cores, of bytes in int32: 16 outputs x 32 sources of weights by
// 32 sources x 8 places of levels. All lanes must call them together.
//
// Lane l has of the weights what weight_fragments.h packs for it; of the levels, sources 4 (l % 4)
// to 4 (l % 4) + 3 of place l / 4 in the first word, and the 16th source after each in the second;
// of the sums, outputs l / 4 (the first two) and l / 4 + 8, at places 2 (l % 4) and the next.
#pragma once

#include <cstdint>
#include <type_traits>

#include "contract/pixel_ops.h"
#include "gpu.h"

namespace vrs {

constexpr int kPlaces = 8;

struct TileSums {
  std::int32_t values[4];
};

struct TileLevels {
  std::uint32_t words[2];
};

#ifdef VRS_CUDA_ON_CPU

template <typename Weight>
void add_product(TileSums& sums, const uint4& weights, const TileLevels& levels,
                 const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const unsigned words[4] = {weights.x, weights.y, weights.z, weights.w};
  cuda_on_cpu::multiply_in_warp({"add_product", file, line}, {sums.values, words, levels.words},
                                std::is_signed_v<Weight>);
}

#else

// Turing's product is a quarter of the later ones': 8 outputs x 16 sources; the lanes' words are
// the same.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#define VRS_QUARTER_PRODUCT(type)                                                            \
  asm("mma.sync.aligned.m8n8k16.row.col.s32." type ".u8.s32 {%0, %1}, {%2}, {%3}, {%0, %1};" \
      : "+r"(first), "+r"(second)                                                            \
      : "r"(weights), "r"(levels))
template <typename Weight>
__device__ inline void add_quarter(std::int32_t& first, std::int32_t& second, std::uint32_t weights,
                                   std::uint32_t levels) {
  if constexpr (std::is_signed_v<Weight>) {
    VRS_QUARTER_PRODUCT("s8");
  } else {
    VRS_QUARTER_PRODUCT("u8");
  }
}
#undef VRS_QUARTER_PRODUCT

template <typename Weight>
__device__ inline void add_product(TileSums& sums, const uint4& weights, const TileLevels& levels) {
  auto& [a, b, c, d] = sums.values;
  add_quarter<Weight>(a, b, weights.x, levels.words[0]);
  add_quarter<Weight>(c, d, weights.y, levels.words[0]);
  add_quarter<Weight>(a, b, weights.z, levels.words[1]);
  add_quarter<Weight>(c, d, weights.w, levels.words[1]);
}
#else
#define VRS_PRODUCT(type)                                                                     \
  asm("mma.sync.aligned.m16n8k32.row.col.s32." type                                           \
      ".u8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"               \
      : "+r"(a), "+r"(b), "+r"(c), "+r"(d)                                                    \
      : "r"(weights.x), "r"(weights.y), "r"(weights.z), "r"(weights.w), "r"(levels.words[0]), \
        "r"(levels.words[1]))
// Weight: std::int8_t or std::uint8_t.
template <typename Weight>
__device__ inline void add_product(TileSums& sums, const uint4& weights, const TileLevels& levels) {
  auto& [a, b, c, d] = sums.values;
  if constexpr (std::is_signed_v<Weight>) {
    VRS_PRODUCT("s8");
  } else {
    VRS_PRODUCT("u8");
  }
}
#undef VRS_PRODUCT
#endif

#endif

// Clamps two values to levels; the first becomes the lower byte.
__device__ inline std::uint16_t pack_levels(std::int32_t first, std::int32_t second) {
#ifdef VRS_CUDA_ON_CPU
  return static_cast<std::uint16_t>(clamp_to_u8(first) | clamp_to_u8(second) << 8);
#else
  std::uint32_t packed;
  asm("cvt.pack.sat.u8.s32.b32 %0, %1, %2, 0;" : "=r"(packed) : "r"(second), "r"(first));
  return static_cast<std::uint16_t>(packed);
#endif
}

}  // namespace vrs
