// The CUDA backend's fused kernel: perturbs, resizes and looks up.
//
// A block computes a tile of one job's output. It walks over the tile's sources in windows. For
// each window it writes perturbed pixels to shared memory, a plane a channel; the resize's first
// pass multiplies them there and writes levels to shared memory again; the second pass adds to
// registers, which hold sums over any number of windows, so that the memory of a block does not
// depend on sizes. Both passes are products of the tensor cores with the digits of the weights
// (weight_fragments.h). "Along" is the axis of the first pass, columns unless vertical_first;
// "lines" is the other axis.
#include <algorithm>

#include "contract/pixel_ops.h"
#include "cuda_work.h"
#include "gpu.h"
#include "prepare_cuda.h"
#include "resample_cuda.h"
#include "stage_window.h"
#include "tensor_core.h"
#include "weight_fragments.h"

namespace vrs {
namespace {

constexpr int kMinBlocks = 4;  // per multiprocessor: 128 registers a thread

__device__ inline std::uint32_t load_word(const std::uint8_t* bytes) {
  return *reinterpret_cast<const std::uint32_t*>(bytes);
}

// Sums of 16 outputs x 8 places, a channel each.
__device__ inline void start_sums(const DeviceAxis& axis, TileSums (&sums)[3]) {
  const std::int32_t bias = rounding_bias(axis.coefficient_bits);
  GPU_UNROLL
  for (TileSums& each : sums) each = {{bias, bias, bias, bias}};
}

// The sums of each digit, which are joined at the end, modulo 2^32, where the sums that the
// contract promises fit.
struct DigitSums {
  TileSums of[3][kDigits];
};

// Adds a fragment of sources. `levels`: this lane's first word of the first channel; a channel is
// `plane` bytes from the next.
__device__ inline void add_fragment(const uint4* fragments, const std::uint8_t* levels, int plane,
                                    DigitSums& sums) {
  uint4 digits[kDigits];
  GPU_UNROLL
  for (int d = 0; d < kDigits; ++d) digits[d] = __ldg(fragments + d * kWarp);
  GPU_UNROLL
  for (int c = 0; c < 3; ++c) {
    const std::uint8_t* words = levels + c * plane;
    const TileLevels sources = {{load_word(words), load_word(words + kFragmentSources / 2)}};
    GPU_UNROLL
    for (int d = 0; d < kDigits; ++d) {
      add_product<std::int8_t>(sums.of[c][d], digits[d], sources);
    }
  }
}

// Adds `steps` > 0 fragments of sources.
__device__ inline void add_sources(const uint4* fragments, const std::uint8_t* levels, int plane,
                                   int steps, TileSums (&sums)[3]) {
  DigitSums digit_sums = {};
  GPU_UNROLL
  for (int c = 0; c < 3; ++c) digit_sums.of[c][0] = sums[c];
  add_fragment(fragments, levels, plane, digit_sums);  // apart, as it adds to 0
  GPU_KEEP_LOOP
  for (int step = 1; step < steps; ++step) {
    fragments += kDigits * kWarp;
    levels += kFragmentSources;
    add_fragment(fragments, levels, plane, digit_sums);
  }
  GPU_UNROLL
  for (int c = 0; c < 3; ++c) {
    GPU_UNROLL
    for (int i = 0; i < 4; ++i) {
      std::uint32_t joined = 0;
      GPU_UNROLL
      for (int d = kDigits - 1; d >= 0; --d) {
        joined = (joined << 8) + static_cast<std::uint32_t>(digit_sums.of[c][d].values[i]);
      }
      sums[c].values[i] = static_cast<std::int32_t>(joined);
    }
  }
}

// The fragments of a group's source step that this lane reads.
__device__ inline const uint4* fragments_of(const DeviceAxis& axis, int group, int step) {
  const auto* fragments = reinterpret_cast<const uint4*>(axis.fragments);
  return fragments + (group * axis.steps + step) * (kDigits * kWarp) + threadIdx.x % kWarp;
}

// What a block computes: groups of outputs of both axes.
struct Tile {
  int line_group;
  int along_group, along_groups;
};

// Whether the tile is one of these.
__device__ inline bool is_among(const Tile& tile, const TileRange& tiles) {
  return tile.line_group >= tiles.line_begin && tile.line_group < tiles.line_end &&
         tile.along_group >= tiles.along_begin && tile.along_group < tiles.along_end;
}

// False for blocks that the job does not need: the grid is made for the largest one.
__device__ inline bool find_groups(const ResampleJob& job, Tile& tile) {
  const auto [row, column] = find_tile(blockIdx.x, job.tiles_across);
  tile.line_group = job.vertical_first ? column : row;
  tile.along_group = kGroupsAlong * (job.vertical_first ? row : column);
  tile.along_groups = smaller(job.along.groups - tile.along_group, kGroupsAlong);
  return tile.line_group < job.lines.groups && tile.along_groups > 0;
}

// Rounds the first pass' sums; a lane has pairs of neighbouring lines.
__device__ inline void store_filtered(const TileSums (&sums)[3], int bits, int group,
                                      TileMemory& memory) {
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  GPU_UNROLL
  for (int c = 0; c < 3; ++c) {
    GPU_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int output = group * kFragmentOutputs + lane / 4 + 8 * half;
      const std::int32_t* pair = sums[c].values + 2 * half;
      auto* target = &memory.filtered[c][output][warp * kPlaces + lane % 4 * 2];
      *reinterpret_cast<std::uint16_t*>(target) = pack_levels(pair[0] >> bits, pair[1] >> bits);
    }
  }
}

// The first pass of the lines from `line` on, window by window; both groups of outputs read one
// window where they fit.
__device__ inline void filter_lines(const ResampleJob& job, const Tile& tile, int line, int lines,
                                    TileMemory& memory) {
  const DeviceAxis& axis = job.along;
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const std::int32_t* begins = axis.begins + tile.along_group;
  const std::int32_t* ends = axis.ends + tile.along_group;
  int window = 0;
  int group = 0;
  GPU_KEEP_LOOP
  do {
    const int begin = __ldg(begins++);
    int end = __ldg(ends++);
    if (axis.pairs_fit && group + 1 < tile.along_groups) end = larger(end, __ldg(ends));
    TileSums sums[3];
    start_sums(axis, sums);
    int step = 0;
    GPU_KEEP_LOOP
    do {
      const int source = begin + step * kFragmentSources;
      if (group == 0 || !axis.pairs_fit) {
        if (group > 0 || step > 0) __syncthreads();  // the window before this one has been read
        window = stage_window(job, line, lines, source, end, memory);
        __syncthreads();  // the window is staged
      }
      if (warp * kPlaces >= lines) continue;
      const std::uint8_t* levels =
          &memory.staged[0][warp * kPlaces + lane / 4][source - window + lane % 4 * 4];
      const int steps = smaller(axis.steps - step, kWindowSteps);
      add_sources(fragments_of(axis, tile.along_group + group, step), levels,
                  kWindowLines * kStagePitch, steps, sums);
    } while ((step += kWindowSteps) < axis.steps);
    if (warp * kPlaces < lines) store_filtered(sums, axis.coefficient_bits, group, memory);
  } while (++group < tile.along_groups);
}

// The output of a level of channel `c`. `values`: the job's.
template <typename Value>
__device__ inline Value value_of(const void* values, int c, std::uint8_t level) {
  return __ldg(static_cast<const Value*>(values) + 256 * c + level);
}

// Levels themselves.
template <>
__device__ inline std::uint8_t value_of(const void*, int, std::uint8_t level) {
  return level;
}

// A lane's first line and output along; it has the next one along, too, and both 8 lines on.
struct OutputPlace {
  int line, along;
};

__device__ inline OutputPlace find_place(const Tile& tile) {
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  return {tile.line_group * kFragmentOutputs + lane / 4,
          tile.along_group * kFragmentOutputs + warp * kPlaces + lane % 4 * 2};
}

__device__ inline bool is_kept(const DeviceAxis& axis, int place) {
  return place >= axis.canvas_offset && place < axis.canvas_offset + axis.outputs;
}

// The sums of an image of one colour, or of padding alone.
__device__ inline void fill_sums(const ResampleJob& job, const Tile& tile, TileSums (&sums)[3]) {
  const OutputPlace place = find_place(tile);
  GPU_UNROLL
  for (int i = 0; i < 4; ++i) {
    const bool is_image =
        is_kept(job.lines, place.line + i / 2 * 8) && is_kept(job.along, place.along + i % 2);
    GPU_UNROLL
    for (int c = 0; c < 3; ++c) {
      sums[c].values[i] = is_image ? job.perturbation.colour[c] << job.lines.coefficient_bits : 0;
    }
  }
}

// Of four pixels.
template <typename Value>
struct TileValues {
  Value of[4][3];
};

// Outputs in the padding have weights of 0, and so the level 0.
template <typename Value>
__device__ inline TileValues<Value> look_up_values(const ResampleJob& job,
                                                   const TileSums (&sums)[3]) {
  TileValues<Value> values;
  GPU_UNROLL
  for (int i = 0; i < 4; ++i) {
    GPU_UNROLL
    for (int c = 0; c < 3; ++c) {
      const int sum = sums[c].values[i];
      values.of[i][c] =
          value_of<Value>(job.values, c, level_from_accumulator(sum, job.lines.coefficient_bits));
    }
  }
  return values;
}

// Stores a pixel's values in its block.
template <typename Value>
__device__ inline void store_in_block(const DeviceBlocks& blocks, int y, int x,
                                      const Value (&values)[3], Value* out) {
  const int height = blocks.height.value, width = blocks.width.value;
  const int row = divide(y, blocks.height), column = divide(x, blocks.width);
  const int inside = (y - row * height) * width + x - column * width;
  const std::int64_t area = std::int64_t{height} * width;
  out += place_of_block(blocks, row, column) * 3 * area * blocks.repeats;
  out += blocks.channels_last ? 3 * std::int64_t{inside} : inside;
  const std::int64_t step = blocks.channels_last ? 1 : area * blocks.repeats;
  GPU_KEEP_LOOP
  for (int repeat = 0; repeat < blocks.repeats; ++repeat, out += area) {
    GPU_UNROLL
    for (int c = 0; c < 3; ++c) out[c * step] = values[c];
  }
}

template <typename Value>
__device__ inline void store_tile(const ResampleJob& job, const Tile& tile,
                                  const TileValues<Value>& values, void* target) {
  const OutputPlace place = find_place(tile);
  const bool is_turned = job.vertical_first;
  const int line_step = is_turned ? 1 : job.out_width, along_step = is_turned ? job.out_width : 1;
  const int line_count = is_turned ? job.out_width : job.out_height;
  const int along_count = is_turned ? job.out_height : job.out_width;
  const std::int64_t first = static_cast<std::int64_t>(place.line) * line_step +
                             static_cast<std::int64_t>(place.along) * along_step;
  // Levels are written as packed RGB.
  constexpr bool kIsPacked = std::is_same_v<Value, std::uint8_t>;
  const std::int64_t plane =
      kIsPacked ? 1 : static_cast<std::int64_t>(job.out_height) * job.out_width;
  GPU_UNROLL
  for (int i = 0; i < 4; ++i) {
    const int line = i / 2 * 8, along = i % 2;
    if (place.line + line >= line_count || place.along + along >= along_count) continue;
    if (job.blocks.are_used) {
      const int y = is_turned ? place.along + along : place.line + line;
      const int x = is_turned ? place.line + line : place.along + along;
      store_in_block(job.blocks, y, x, values.of[i], static_cast<Value*>(target));
      continue;
    }
    const std::int64_t position = first + std::int64_t{line} * line_step + along * along_step;
    Value* out = static_cast<Value*>(target) + (kIsPacked ? 3 : 1) * position;
    GPU_UNROLL
    for (int c = 0; c < 3; ++c) out[c * plane] = values.of[i][c];
  }
}

// Also to the outputs of occlusions that leave the tile to this job.
template <typename Value>
__device__ inline void store_tiles(const ResampleJob& job, const Tile& tile,
                                   const TileSums (&sums)[3]) {
  const auto values = look_up_values<Value>(job, sums);
  store_tile(job, tile, values, job.out);
  GPU_KEEP_LOOP
  for (int i = 0; i < job.occlusion_count; ++i) {
    const OccludedOutput& other = job.occlusions[i];
    if (!is_among(tile, other.own_tiles)) store_tile(job, tile, values, other.out);
  }
}

}  // namespace

// blockIdx.x is the tile, blockIdx.y the job. Value: float, the bits of bfloat16, or the level.
template <typename Value>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    resample(const ResampleJob* __restrict__ jobs) {
  GPU_SHARED(alignas(16) TileMemory, memory, );
  const ResampleJob& job = jobs[blockIdx.y];
  Tile tile;
  if (!find_groups(job, tile)) return;
  if (job.leaves_tiles && !is_among(tile, job.own_tiles)) return;
  TileSums sums[3];
  int line = __ldg(job.lines.begins + tile.line_group);
  const int line_end = __ldg(job.lines.ends + tile.line_group);
  if (job.is_uniform || line >= line_end) {
    fill_sums(job, tile, sums);
    return store_tiles<Value>(job, tile, sums);
  }
  copy_tables(job, memory);
  start_sums(job.lines, sums);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const std::uint8_t* levels = &memory.filtered[0][warp * kPlaces + lane / 4][lane % 4 * 4];
  const uint4* fragments = fragments_of(job.lines, tile.line_group, 0);
  GPU_KEEP_LOOP
  do {
    filter_lines(job, tile, line, smaller(line_end - line, kWindowLines), memory);
    __syncthreads();
    add_sources(fragments, levels, kTileAlong * kFilteredPitch, 1, sums);
    fragments += kDigits * kWarp;
  } while ((line += kWindowLines) < line_end);
  store_tiles<Value>(job, tile, sums);
}

void load_resample_kernels() {
  load_kernels(resample<float>, resample<std::uint16_t>, resample<std::uint8_t>);
}

template <typename Value>
void launch_resamples(const JobList<ResampleJob>& list, cudaStream_t stream) {
  const auto count = [](const Size& size) {  // of whichever pass comes first
    return std::max(count_tiles(size, kTileLines, kTileAlong),
                    count_tiles(size, kTileAlong, kTileLines));
  };
  for_launches(list, count, [&](const ResampleJob* jobs, dim3 grid) {
    GPU_LAUNCH((resample<Value>), grid, dim3(kThreads), stream, jobs);
  });
}

template void launch_resamples<float>(const JobList<ResampleJob>&, cudaStream_t);
template void launch_resamples<std::uint16_t>(const JobList<ResampleJob>&, cudaStream_t);
template void launch_resamples<std::uint8_t>(const JobList<ResampleJob>&, cudaStream_t);

}  // namespace vrs
