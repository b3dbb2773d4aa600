// The cells of pixelate, which run before the fused kernel.
#include "perturbed_pixels.h"
#include "prepare_cuda.h"

namespace vrs {
namespace {

constexpr int kThreads = 256;

__device__ inline unsigned long long sum_of_warp(unsigned long long value) {
  for (int step = kWarp / 2; step > 0; step /= 2) {
    value += __shfl_xor_sync(kWholeWarp, value, step);
  }
  return value;
}

}  // namespace

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
  load_kernels(average);
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
