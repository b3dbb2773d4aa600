// What the CUDA kernels read: plain structs of device pointers, laid out on the host from a request
// and sent to the device in one copy, together with tables, weights and pixels.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "contract/preprocess.h"
#include "perturb/pixel_runs.h"

namespace vrs {

// Each job of a launch has its own blockIdx.y, which CUDA limits to 16 bits.
constexpr int kMaxJobsPerLaunch = 65535;

// AxisFragments (weight_fragments.h) in device memory.
struct DeviceAxis {
  const std::uint8_t* fragments;
  const std::int32_t* begins;
  const std::int32_t* ends;
  int groups;
  int steps;
  int outputs;  // that are no padding
  int canvas_offset;
  int coefficient_bits;
  bool pairs_fit;
};

struct TilePlace {
  int row, column;
};

// The place of a block's tile, row by row.
VRS_HOST_DEVICE inline TilePlace find_tile(unsigned block, const Divisor& tiles_across) {
  const int index = static_cast<int>(block);
  int row = divide(index, tiles_across);
  if (row * tiles_across.value > index) --row;  // of large numbers it may be one too many
  return {row, index - row * tiles_across.value};
}

// Blocks of an output, which stand as in the contract.
struct DeviceBlocks {
  bool are_used;  // else the output is whole planes
  Divisor height, width, merge;
  int squares_per_row;
  int repeats;
  bool channels_last;
};

// The place of a block, by its row and column, among those of its output.
VRS_HOST_DEVICE inline std::int64_t place_of_block(const DeviceBlocks& blocks, int row,
                                                   int column) {
  const int merge = blocks.merge.value;
  const int square_row = divide(row, blocks.merge), square_column = divide(column, blocks.merge);
  const std::int64_t square = std::int64_t{square_row} * blocks.squares_per_row + square_column;
  const int inside = (row - square_row * merge) * merge + column - square_column * merge;
  return square * merge * merge + inside;
}

// Tiles of an output, by their groups of outputs: one across lines, and the first of two along.
struct TileRange {
  int line_begin, line_end;
  int along_begin, along_end;
};

// Where the output of an occlusion goes, but for the tiles of its own job.
struct OccludedOutput {
  TileRange own_tiles;
  void* out;
};

// One job of the fused kernel. The same kernel also resizes uint8 images to uint8 for low_pass.
struct ResampleJob {
  DeviceImage image;
  DevicePerturbation perturbation;
  bool reads_runs;  // each whole run of pixels stands in the image as it is
  bool is_aligned;  // each run that begins at a multiple of kRunPixels may be read in wide loads
  bool changes_levels;  // change_run() of its kind does something
  // The perturbed image. It lies at (top, left) of a padded image, which the resize reads.
  int height, width;
  int top, left;
  std::array<std::uint8_t, 4> background;  // of the padding; the fourth is 0
  // Of the first pass, columns unless vertical_first, and of the second.
  DeviceAxis along, lines;
  bool vertical_first;
  bool is_uniform;     // every output is the perturbation's colour
  const void* values;  // [3][256]: the output of each level, of its type; unused for levels
  void* out;
  int out_height, out_width;
  DeviceBlocks blocks;
  Divisor tiles_across;
  // The image as it is and its occlusions differ only in tiles that read what an occlusion covers:
  // the job of the image as it is writes the others to all outputs.
  bool leaves_tiles;                 // an occlusion beside such a job
  TileRange own_tiles;               // of an occlusion that leaves the others
  const OccludedOutput* occlusions;  // of the image as it is
  int occlusion_count;
};

struct BlurJob {
  DeviceImage image;
  const std::uint8_t* fragments;  // pack_blur()
  std::uint8_t* out;              // RGBX, the fourth byte 0
  std::int64_t out_stride;
  Divisor tiles_across;
};

struct CellJob {
  DeviceImage image;
  int edge;
  int rows, columns;
  std::uint8_t* out;  // packed RGB of rows x columns
};

struct ContrastJob {
  DeviceImage image;
  double factor;
  unsigned long long* sums;  // of each channel; 0 at the start
  std::uint8_t* levels;      // [3][256]
};

// A kernel's jobs in device memory, the largest first, and on the host the size of each: of what
// the kernel writes, or of the pixels that it reads for ContrastJob.
template <typename Job>
struct JobList {
  const Job* jobs = nullptr;
  std::vector<Size> sizes;
};

// In the order in which they run: all others prepare what the last one reads.
struct CudaWork {
  JobList<ContrastJob> contrasts;
  JobList<CellJob> cells;
  JobList<BlurJob> near_blurs, wide_blurs;  // by the reach of their filters
  JobList<ResampleJob> reductions;          // low_pass, uint8 to uint8
  JobList<ResampleJob> enlargements;        // low_pass, uint8 to uint8
  JobList<ResampleJob> resamples;
};

}  // namespace vrs
