// The kernels that run before the fused one: cells of pixelate, and blur.
#include "perturb/perturb_kernels.h"
#include "perturbed_pixels.h"
#include "prepare_cuda.h"

namespace vrs {
namespace {

constexpr int kThreads = 256;

// Blur tiles: each thread has one pixel. The vertical pass also computes the columns beyond the
// tile that the horizontal pass reads.
constexpr int kTileWidth = 64;
constexpr int kTileHeight = kThreads / kTileWidth;
constexpr int kReach = kMaxBlurTaps / 2;
constexpr int kReachedWidth = kTileWidth + 2 * kReach;

__device__ inline int clamp_index(int index, int count) {
  return index < 0 ? 0 : index < count ? index : count - 1;
}

struct WeightedLevels {
  std::uint32_t red = 128, green = 128, blue = 128;  // half a unit, so that the shifts round

  __device__ void add(Pixel pixel, std::uint32_t weight) {
    red += weight * channel_of(pixel, 0);
    green += weight * channel_of(pixel, 1);
    blue += weight * channel_of(pixel, 2);
  }
  __device__ Pixel pixel() const { return pack_pixel(red >> 8, green >> 8, blue >> 8); }
};

__device__ inline unsigned long long sum_of_warp(unsigned long long value) {
  for (int step = kWarp / 2; step > 0; step /= 2) {
    value += __shfl_xor_sync(kWholeWarp, value, step);
  }
  return value;
}

}  // namespace

// blockIdx.x is the tile, blockIdx.y the job.
__global__ void __launch_bounds__(kThreads) blur(const BlurJob* jobs) {
  GPU_SHARED(Pixel, flat, [kTileHeight][kReachedWidth]);
  const BlurJob& job = jobs[blockIdx.y];
  const int tiles_across = (job.image.width + kTileWidth - 1) / kTileWidth;
  const int y0 = static_cast<int>(blockIdx.x) / tiles_across * kTileHeight;
  const int x0 = static_cast<int>(blockIdx.x) % tiles_across * kTileWidth;
  if (y0 >= job.image.height) return;
  const int reach = job.taps / 2;
  const int width = kTileWidth + 2 * reach;
  for (int i = threadIdx.x; i < kTileHeight * width; i += kThreads) {
    const int row = i / width, column = i % width;
    const int x = clamp_index(x0 + column - reach, job.image.width);
    WeightedLevels sum;
    for (int t = 0; t < job.taps; ++t) {
      const int y = clamp_index(y0 + row + t - reach, job.image.height);
      sum.add(load_pixel(job.image, y, x), job.weights[t]);
    }
    flat[row][column] = sum.pixel();
  }
  __syncthreads();
  const int row = threadIdx.x / kTileWidth, column = threadIdx.x % kTileWidth;
  if (y0 + row >= job.image.height || x0 + column >= job.image.width) return;
  WeightedLevels sum;
  for (int t = 0; t < job.taps; ++t) sum.add(flat[row][column + t], job.weights[t]);
  const Pixel blurred = sum.pixel();
  std::uint8_t* out =
      job.out + 3 * (static_cast<std::int64_t>(y0 + row) * job.image.width + x0 + column);
  for (int c = 0; c < 3; ++c) out[c] = channel_of(blurred, c);
}

// Each warp has one cell: a step of blockIdx.x is kThreads / kWarp cells, blockIdx.y is the job.
__global__ void __launch_bounds__(kThreads) average_cells(const CellJob* jobs) {
  const CellJob& job = jobs[blockIdx.y];
  const std::int64_t cell =
      static_cast<std::int64_t>(blockIdx.x) * (kThreads / kWarp) + threadIdx.x / kWarp;
  if (cell >= static_cast<std::int64_t>(job.rows) * job.columns) return;
  const int top = static_cast<int>(cell / job.columns) * job.edge;
  const int left = static_cast<int>(cell % job.columns) * job.edge;
  const int height = job.edge < job.image.height - top ? job.edge : job.image.height - top;
  const int width = job.edge < job.image.width - left ? job.edge : job.image.width - left;
  unsigned long long sums[3] = {};
  const int lane = threadIdx.x % kWarp;
  for (int y = 0; y < height; ++y) {
    for (int x = lane; x < width; x += kWarp) {
      const Pixel pixel = load_pixel(job.image, top + y, left + x);
      for (int c = 0; c < 3; ++c) sums[c] += channel_of(pixel, c);
    }
  }
  const unsigned long long pixels = static_cast<unsigned long long>(height) * width;
  GPU_UNROLL
  for (int c = 0; c < 3; ++c) {
    const unsigned long long sum = sum_of_warp(sums[c]);
    const auto mean = static_cast<std::uint8_t>((2 * sum + pixels) / (2 * pixels));
    if (lane == c) job.out[3 * cell + c] = mean;
  }
}

void load_prepare_kernels() {
  void (*const average)(const CellJob*) = average_cells;  // not the host's function of this name
  load_kernels(blur, average);
}

void launch_blurs(const JobList<BlurJob>& list, cudaStream_t stream) {
  const auto count = [](const Size& size) { return count_tiles(size, kTileHeight, kTileWidth); };
  for_launches(list, count, [&](const BlurJob* jobs, dim3 grid) {
    GPU_LAUNCH(blur, grid, dim3(kThreads), stream, jobs);
  });
}

void launch_cells(const JobList<CellJob>& list, cudaStream_t stream) {
  constexpr std::int64_t kCells = kThreads / kWarp;
  const auto count = [](const Size& size) {
    return (std::int64_t{size.height} * size.width + kCells - 1) / kCells;
  };
  for_launches(list, count, [&](const CellJob* jobs, dim3 grid) {
    GPU_LAUNCH(average_cells, grid, dim3(kThreads), stream, jobs);
  });
}

}  // namespace vrs
