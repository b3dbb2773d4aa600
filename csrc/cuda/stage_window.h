// Stages a window of a job's sources: reads pixels, changes them, pads them, and writes a plane a
// channel to shared memory.
#pragma once

#include <type_traits>

#include "cuda_work.h"
#include "four_pixels.h"
#include "gpu.h"
#include "perturbed_pixels.h"
#include "tensor_core.h"
#include "weight_fragments.h"

namespace vrs {

constexpr int kWarps = 4;
constexpr int kThreads = kWarp * kWarps;

// The tile: a group of outputs across lines, two along. In the first pass each warp has 8 lines, in
// the second 8 outputs along.
constexpr int kTileLines = kFragmentOutputs;
constexpr int kTileAlong = kGroupsAlong * kFragmentOutputs;
static_assert(kTileAlong == kWarps * kPlaces);

// The window: its lines are the sources of one product of the second pass.
constexpr int kWindowLines = kFragmentSources;
constexpr int kWindowAlong = kWindowSteps * kFragmentSources;
static_assert(kWindowLines == kWarps * kPlaces);

// The lanes of a load are four words along and eight lines across: these pitches, in bytes, put all
// into different banks.
constexpr int kStagePitch = kWindowAlong + 16;
constexpr int kFilteredPitch = kWindowLines + 16;

// Whether a block copies tables to its own memory. On a Turing multiprocessor two blocks would fit
// with them in place of three.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
constexpr bool kCopiesTables = false;
#else
constexpr bool kCopiesTables = true;
#endif

struct TileMemory {
  std::uint8_t staged[3][kWindowLines][kStagePitch];
  std::uint8_t filtered[3][kTileAlong][kFilteredPitch];  // lines side by side
  alignas(16) std::uint16_t offset_cells[kCopiesTables ? OffsetCells::kCount : 1];
};

__device__ inline BlockTables tables_of(const ResampleJob& job, const TileMemory& memory) {
  return {kCopiesTables ? memory.offset_cells : job.perturbation.offset_cells};
}

// Copies the job's tables to the block's memory, before any thread reads them.
__device__ inline void copy_tables(const ResampleJob& job, TileMemory& memory) {
  if (!kCopiesTables || job.perturbation.offset_cells == nullptr) return;
  constexpr int kLoads = OffsetCells::kCount * sizeof(std::uint16_t) / sizeof(uint4);
  static_assert(kLoads * sizeof(uint4) == OffsetCells::kCount * sizeof(std::uint16_t));
  const auto* source = reinterpret_cast<const uint4*>(job.perturbation.offset_cells);
  auto* target = reinterpret_cast<uint4*>(memory.offset_cells);
  GPU_KEEP_LOOP
  for (int i = threadIdx.x; i < kLoads; i += kThreads) target[i] = __ldg(source + i);
  __syncthreads();  // the tables are copied
}

__device__ inline int larger(int a, int b) {
  return a > b ? a : b;
}

__device__ inline int smaller(int a, int b) {
  return a < b ? a : b;
}

// Eight pixels of the padded image before they change. Returns whether they lie in the image.
__device__ inline bool read_run(const ResampleJob& job, int y, int x, Pixel (&run)[kRunPixels]) {
  const bool is_inside = y >= 0 && y < job.height && x >= 0 && x < job.width;
  if (is_inside) read_unchanged(job.image, job.perturbation, job.width, y, x, run);
  return is_inside;
}

// Puts the padding into a run that reaches beyond the image.
__device__ inline void pad_run(const ResampleJob& job, bool is_inside, int x,
                               Pixel (&run)[kRunPixels]) {
  const Pixel background = pack_pixel(job.background);
  GPU_UNROLL
  for (int i = 0; i < kRunPixels; ++i) {
    if (!is_inside || x + i >= job.width) run[i] = background;
  }
}

__device__ inline void stage_turned(const Pixel (&run)[kRunPixels], int row, int column,
                                    TileMemory& memory) {
  GPU_UNROLL
  for (int i = 0; i < kRunPixels; ++i) {
    GPU_UNROLL
    for (int c = 0; c < 3; ++c) memory.staged[c][column + i][row] = channel_of(run[i], c);
  }
}

__device__ inline void stage_row(const Pixel (&run)[kRunPixels], int row, int column,
                                 TileMemory& memory) {
  uint2 planes[3];
  split_four({run[0], run[1], run[2], run[3]}, planes[0].x, planes[1].x, planes[2].x);
  split_four({run[4], run[5], run[6], run[7]}, planes[0].y, planes[1].y, planes[2].y);
  GPU_UNROLL
  for (int c = 0; c < 3; ++c) {
    *reinterpret_cast<uint2*>(&memory.staged[c][row][column]) = planes[c];
  }
}

// The runs of a thread, where nothing is to be asked for each. `row_step`: from one to the next.
template <int channels, bool is_aligned>
__device__ inline void stage_plain(const std::uint8_t* source, std::int64_t row_step, int row,
                                   int rows, int column, TileMemory& memory) {
  GPU_KEEP_LOOP
  for (; row < rows; row += kThreads * kRunPixels / kWindowAlong, source += row_step) {
    Pixel run[kRunPixels];
    load_run(source, channels, is_aligned, run);
    stage_row(run, row, column, memory);
  }
}

// A window's place in the image, which may reach beyond it, and size.
struct Window {
  int y, x, rows, columns;
};

// Whether the runs at column `x` stand in the image in each row of the window, which lies in it.
__device__ inline bool has_runs(const ResampleJob& job, const Window& window, int x) {
  const bool is_within = window.y >= 0 && window.y + window.rows <= job.height && x >= 0 &&
                         x + kRunPixels <= job.width;
  if (!is_within || !job.reads_runs || job.is_aligned) return is_within && job.reads_runs;
  const std::uint8_t* begin = job.image.pixels + offset_of(job.image, window.y, x);
  const std::uint8_t* end = begin + (window.rows - 1) * job.image.row_stride;
  return has_words(job.image, begin) && has_words(job.image, end);
}

// Each thread stages runs one below the other: sixteen of them stand side by side, or four if lines
// are columns.
__device__ inline void stage_runs(const ResampleJob& job, const Window& window,
                                  TileMemory& memory) {
  const bool is_turned = job.vertical_first;
  const int across = is_turned ? kWindowLines / kRunPixels : kWindowAlong / kRunPixels;
  const int shift = is_turned ? 2 : 4;
  const int column = (threadIdx.x & (across - 1)) * kRunPixels, step = kThreads >> shift;
  if (column >= window.columns) return;
  const int x = window.x + column;
  int row = threadIdx.x >> shift;
  const bool are_there = has_runs(job, window, x);
  const std::int64_t row_step = step * job.image.row_stride;
  std::int64_t offset = offset_of(job.image, window.y + row, x);
  if (are_there && !job.changes_levels && !is_turned) {
    const std::uint8_t* source = job.image.pixels + offset;
    const auto stage = [&](auto channels, auto is_aligned) {
      stage_plain<channels, is_aligned>(source, row_step, row, window.rows, column, memory);
    };
    const std::integral_constant<int, 3> rgb;
    const std::integral_constant<int, 4> rgbx;
    if (job.image.channels == 3) {
      return job.is_aligned ? stage(rgb, std::true_type()) : stage(rgb, std::false_type());
    }
    return job.is_aligned ? stage(rgbx, std::true_type()) : stage(rgbx, std::false_type());
  }
  GPU_KEEP_LOOP
  for (; row < window.rows; row += step, offset += row_step) {
    Pixel run[kRunPixels];
    bool is_inside = true;
    if (are_there) {
      load_run(job.image.pixels + offset, job.image.channels, job.is_aligned, run);
    } else {
      is_inside = read_run(job, window.y + row, x, run);
    }
    if (job.changes_levels && is_inside) {
      change_run(job.perturbation, tables_of(job, memory), window.y + row, x, run);
    }
    if (!are_there && !(is_inside && x + kRunPixels <= job.width)) pad_run(job, is_inside, x, run);
    if (is_turned) {
      stage_turned(run, row, column, memory);
    } else {
      stage_row(run, row, column, memory);
    }
  }
}

// Stages `lines` lines from `line` on, along from the source `begin` to at most `end`. Returns
// where the window begins along: columns are read in runs from the image's first on.
__device__ inline int stage_window(const ResampleJob& job, int line, int lines, int begin, int end,
                                   TileMemory& memory) {
  const int first = job.vertical_first ? begin : begin - ((begin - job.left) & (kRunPixels - 1));
  const int length = smaller(end - first, kWindowAlong);
  const Window window = job.vertical_first
                            ? Window{first - job.top, line - job.left, length, lines}
                            : Window{line - job.top, first - job.left, lines, length};
  stage_runs(job, window, memory);
  return first;
}

}  // namespace vrs
