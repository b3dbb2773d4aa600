// The CUDA backend's fused kernel, and the order in which a request's kernels are queued.
//
// A block computes a tile of one job's output. It walks over the tile's sources in chunks. For each
// chunk it writes perturbed pixels to shared memory; the resize's first pass reads them and writes
// to shared memory again; the second pass adds to registers. The registers hold sums over any
// number of chunks, so the memory of a block does not depend on sizes. "Along" is the axis of the
// first pass, columns unless vertical_first; "lines" is the other axis.
#include <algorithm>
#include <atomic>
#include <cstdint>

#include "blur_cuda.h"
#include "capture.h"
#include "contract/pixel_ops.h"
#include "cuda_check.h"
#include "cuda_layout.h"
#include "cuda_work.h"
#include "current_device.h"
#include "gpu.h"
#include "perturbed_pixels.h"
#include "pinned_memory.h"
#include "prepare_cuda.h"
#include "preprocess_cuda.h"

namespace vrs {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = kWarp * kWarps;
constexpr int kMinBlocks = 2;  // per multiprocessor: 128 registers a thread; with 80 some spill

// The tile: each lane has one output along, each warp has several lines.
constexpr int kTileAlong = kWarp;
constexpr int kTileLines = 16;
constexpr int kAlongPerWarp = kTileAlong / kWarps;
constexpr int kLinesPerWarp = kTileLines / kWarps;

// The chunk: in the first pass each lane has one line, so that the warp shares weights and loops.
// The odd pitches put neighbouring lines into different banks.
constexpr int kChunkLines = kWarp;
constexpr int kChunkAlong = 128;
constexpr int kStagePitch = kChunkAlong + 1;
constexpr int kLinePitch = kTileAlong + 1;

// A warp stages 8 rows of 4 runs at a time: it reads neighbouring bytes, and writes different
// banks.
constexpr int kWarpRuns = 4;
constexpr int kWarpRows = kWarp / kWarpRuns;

struct Sums {
  std::int32_t red, green, blue;
};

__device__ inline void add_weighted(Sums& sums, Pixel pixel, std::int32_t weight) {
  sums.red += weight * channel_of(pixel, 0);
  sums.green += weight * channel_of(pixel, 1);
  sums.blue += weight * channel_of(pixel, 2);
}

__device__ inline Sums start_sums(const DeviceAxis& axis) {
  const std::int32_t bias = rounding_bias(axis.coefficient_bits);
  return {bias, bias, bias};
}

__device__ inline Pixel round_sums(const Sums& sums, const DeviceAxis& axis) {
  return pack_pixel(level_from_accumulator(sums.red, axis.coefficient_bits),
                    level_from_accumulator(sums.green, axis.coefficient_bits),
                    level_from_accumulator(sums.blue, axis.coefficient_bits));
}

// The kept outputs of a tile's axis and the sources that they read.
struct TileAxis {
  int origin;      // kept output of the tile's first; negative in the padding
  int begin, end;  // kept outputs; none if begin >= end
  int source_begin, source_end;
};

__device__ inline TileAxis cut_axis(const DeviceAxis& axis, int tile, int length) {
  TileAxis cut{};
  cut.origin = tile * length - axis.canvas_offset;
  cut.begin = cut.origin > 0 ? cut.origin : 0;
  cut.end = cut.origin + length < axis.outputs ? cut.origin + length : axis.outputs;
  if (cut.begin < cut.end) {
    cut.source_begin = axis.first[cut.begin];
    cut.source_end = axis.first[cut.end - 1] + axis.count[cut.end - 1];
  }
  return cut;
}

__device__ inline bool is_kept(const TileAxis& axis, int output) {
  return output >= axis.begin && output < axis.end;
}

// Calls add(source, weight) for the sources [begin, end) that `output` reads.
template <typename Add>
__device__ inline void for_taps(const DeviceAxis& axis, int output, int begin, int end,
                                const Add& add) {
  const int first = axis.first[output];
  const int last = first + axis.count[output];
  const std::int32_t* weights = axis.weights + static_cast<std::int64_t>(output) * axis.taps;
  const int from = begin > first ? begin : first;
  const int to = end < last ? end : last;
  for (int source = from; source < to; ++source) add(source, weights[source - first]);
}

// Where a chunk begins in the padded image: a multiple of kRunPixels columns from the image.
__device__ inline int align_column(const ResampleJob& job, int column) {
  const int inside = column - job.left;
  return column - ((inside % kRunPixels) + kRunPixels) % kRunPixels;
}

// Eight pixels of the padded image.
__device__ inline void read_run(const ResampleJob& job, int y, int x, Pixel (&run)[kRunPixels]) {
  const int image_y = y - job.top, image_x = x - job.left;
  const bool is_inside =
      image_y >= 0 && image_y < job.height && image_x >= 0 && image_x < job.width;
  if (is_inside) perturb_run(job.image, job.perturbation, job.width, image_y, image_x, run);
  const Pixel background = pack_pixel(job.background);
  GPU_UNROLL
  for (int i = 0; i < kRunPixels; ++i) {
    if (!is_inside || image_x + i >= job.width) run[i] = background;
  }
}

// Fills the chunk that begins at (line, along), lines first; values that no output reads stay.
__device__ void stage_chunk(const ResampleJob& job, const TileAxis& lines, const TileAxis& alongs,
                            int line, int along, Pixel (&staged)[kChunkLines][kStagePitch]) {
  const bool is_turned = job.vertical_first;
  const int y0 = is_turned ? along : line, x0 = is_turned ? line : along;
  const int y_end = is_turned ? alongs.source_end : lines.source_end;
  const int x_end = is_turned ? lines.source_end : alongs.source_end;
  const int steps_across = (is_turned ? kChunkLines : kChunkAlong) / (kWarpRuns * kRunPixels);
  constexpr int kSteps = kChunkLines * kChunkAlong / (kWarp * kRunPixels);
  const int lane = threadIdx.x % kWarp;
  for (int step = threadIdx.x / kWarp; step < kSteps; step += kWarps) {
    const int row = step / steps_across * kWarpRows + lane / kWarpRuns;
    const int column = (step % steps_across * kWarpRuns + lane % kWarpRuns) * kRunPixels;
    if (y0 + row >= y_end || x0 + column >= x_end) continue;
    Pixel run[kRunPixels];
    read_run(job, y0 + row, x0 + column, run);
    Pixel* target = is_turned ? &staged[column][row] : &staged[row][column];
    const int pitch = is_turned ? kStagePitch : 1;
    GPU_UNROLL
    for (int i = 0; i < kRunPixels; ++i) target[i * pitch] = run[i];
  }
}

template <typename Value>
__device__ inline void store_pixel(const ResampleJob& job, int row, int column, Pixel pixel) {
  const std::int64_t position = static_cast<std::int64_t>(row) * job.out_width + column;
  const std::int64_t plane = static_cast<std::int64_t>(job.out_height) * job.out_width;
  const auto* values = static_cast<const Value*>(job.values);
  auto* out = static_cast<Value*>(job.out) + position;
  GPU_UNROLL
  for (int c = 0; c < 3; ++c) out[c * plane] = values[256 * c + channel_of(pixel, c)];
}

// Levels themselves, as packed RGB.
template <>
__device__ inline void store_pixel<std::uint8_t>(const ResampleJob& job, int row, int column,
                                                 Pixel pixel) {
  const std::int64_t position = static_cast<std::int64_t>(row) * job.out_width + column;
  auto* out = static_cast<std::uint8_t*>(job.out) + 3 * position;
  GPU_UNROLL
  for (int c = 0; c < 3; ++c) out[c] = channel_of(pixel, c);
}

}  // namespace

// blockIdx.x is the tile, blockIdx.y the job. Value: float, the bits of bfloat16, or the level.
template <typename Value>
__global__ void __launch_bounds__(kThreads, kMinBlocks) resample(const ResampleJob* jobs) {
  GPU_SHARED(Pixel, staged, [kChunkLines][kStagePitch]);
  GPU_SHARED(Pixel, filtered, [kChunkLines][kLinePitch]);
  const ResampleJob& job = jobs[blockIdx.y];
  const bool vertical_first = job.vertical_first;
  const int tile_height = vertical_first ? kTileAlong : kTileLines;
  const int tile_width = vertical_first ? kTileLines : kTileAlong;
  const int tiles_across = (job.out_width + tile_width - 1) / tile_width;
  const int tile = static_cast<int>(blockIdx.x);
  const int tile_row = tile / tiles_across, tile_column = tile % tiles_across;
  if (tile_row * tile_height >= job.out_height) return;
  const DeviceAxis& along_axis = vertical_first ? job.rows : job.columns;
  const DeviceAxis& line_axis = vertical_first ? job.columns : job.rows;
  const TileAxis alongs = cut_axis(along_axis, vertical_first ? tile_row : tile_column, kTileAlong);
  const TileAxis lines = cut_axis(line_axis, vertical_first ? tile_column : tile_row, kTileLines);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;

  Sums sums[kLinesPerWarp];
  for (Sums& each : sums) each = start_sums(line_axis);
  const bool is_computed = !job.is_uniform && lines.begin < lines.end && alongs.begin < alongs.end;
  const int line_begin =
      vertical_first ? align_column(job, lines.source_begin) : lines.source_begin;
  const int along_begin =
      vertical_first ? alongs.source_begin : align_column(job, alongs.source_begin);
  const int line_end = is_computed ? lines.source_end : line_begin;
  for (int line = line_begin; line < line_end; line += kChunkLines) {
    Sums along_sums[kAlongPerWarp];
    for (Sums& each : along_sums) each = start_sums(along_axis);
    for (int along = along_begin; along < alongs.source_end; along += kChunkAlong) {
      __syncthreads();  // the chunk before this one has been read
      stage_chunk(job, lines, alongs, line, along, staged);
      __syncthreads();
      GPU_UNROLL
      for (int k = 0; k < kAlongPerWarp; ++k) {
        const int output = alongs.origin + warp * kAlongPerWarp + k;
        if (!is_kept(alongs, output) || line + lane >= line_end) continue;
        for_taps(along_axis, output, along, along + kChunkAlong, [&](int source, int weight) {
          add_weighted(along_sums[k], staged[lane][source - along], weight);
        });
      }
    }
    GPU_UNROLL
    for (int k = 0; k < kAlongPerWarp; ++k) {
      filtered[lane][warp * kAlongPerWarp + k] = round_sums(along_sums[k], along_axis);
    }
    __syncthreads();
    GPU_UNROLL
    for (int k = 0; k < kLinesPerWarp; ++k) {
      const int output = lines.origin + warp * kLinesPerWarp + k;
      if (!is_kept(lines, output)) continue;
      for_taps(line_axis, output, line, line + kChunkLines, [&](int source, int weight) {
        add_weighted(sums[k], filtered[source - line][lane], weight);
      });
    }
  }

  const Pixel uniform = pack_pixel(job.perturbation.colour);
  GPU_UNROLL
  for (int k = 0; k < kLinesPerWarp; ++k) {
    const int line = warp * kLinesPerWarp + k;
    const int row = vertical_first ? tile_row * kTileAlong + lane : tile_row * kTileLines + line;
    const int column =
        vertical_first ? tile_column * kTileLines + line : tile_column * kTileAlong + lane;
    if (row >= job.out_height || column >= job.out_width) continue;
    const bool is_image =
        is_kept(alongs, alongs.origin + lane) && is_kept(lines, lines.origin + line);
    const Pixel pixel = job.is_uniform ? uniform : round_sums(sums[k], line_axis);
    store_pixel<Value>(job, row, column, is_image ? pixel : 0);
  }
}

namespace {

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

// Loads every kernel to the current device once. CUDA would do so at a kernel's first launch, which
// fails if the stream is captured.
void load_all_kernels(int device) {
  static std::atomic<std::uint64_t> loaded{0};  // a bit for each device; beyond them: every time
  const std::uint64_t bit = device < 64 ? std::uint64_t{1} << device : 0;
  if ((loaded & bit) != 0) return;
  const RelaxedCapture relaxed;
  load_contrast_kernels();
  load_prepare_kernels();
  load_blur_kernels();
  load_kernels(resample<float>, resample<std::uint16_t>, resample<std::uint8_t>);
  loaded |= bit;
}

// Every launch of the graph would read the pixels of the time when it was captured.
void refuse_captured_uploads(const Request& request, cudaStream_t stream) {
  if (!is_capturing(stream)) return;
  for (std::size_t i = 0; i < request.images.size(); ++i) {
    if (request.images[i].is_on_device) continue;
    throw std::invalid_argument("images[" + std::to_string(i) +
                                "]: while a CUDA graph is captured, images must lie on the device");
  }
}

// Queues the transfer of all pieces: each is packed while the ones before are transferred.
CudaWork upload(WorkLayout& layout, std::uint8_t* device, void* out, const CudaTarget& target) {
  const auto stream = static_cast<cudaStream_t>(target.stream);
  CudaWork work;
  for (const UploadPiece& piece : layout.upload()) {
    const PinnedMemory pinned(piece.bytes, stream);
    if (piece.begin == 0) {
      work = layout.write(pinned.bytes(), reinterpret_cast<std::uintptr_t>(device), out);
    }
    pack_rows(piece, pinned.bytes(), target.threads);
    check_cuda(cudaMemcpyAsync(device + piece.begin, pinned.bytes(), piece.bytes,
                               cudaMemcpyHostToDevice, stream),
               "copy the images to the device");
  }
  return work;
}

}  // namespace

void preprocess_cuda(const Request& request, const CudaTarget& target, void* out) {
  const CurrentDevice current(target.device);
  const auto stream = static_cast<cudaStream_t>(target.stream);
  refuse_captured_uploads(request, stream);
  load_all_kernels(target.device);
  WorkLayout layout(request);
  void* device = target.allocate(layout.device_bytes());
  const CudaWork work = upload(layout, static_cast<std::uint8_t*>(device), out, target);
  launch_contrasts(work.contrasts, stream);
  launch_cells(work.cells, stream);
  launch_blurs(work.near_blurs, work.wide_blurs, stream);
  launch_resamples<std::uint8_t>(work.reductions, stream);
  launch_resamples<std::uint8_t>(work.enlargements, stream);
  if (request.output_type == OutputType::bfloat16) {
    launch_resamples<std::uint16_t>(work.resamples, stream);
  } else {
    launch_resamples<float>(work.resamples, stream);
  }
}

}  // namespace vrs
