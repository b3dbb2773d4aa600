// The level tables of contrast, from the mean of each channel. Only this file computes in double,
// as the host does (family_levels.h): 768 values a job.
#include "perturbed_pixels.h"
#include "prepare_cuda.h"

namespace vrs {
namespace {

constexpr int kThreads = 256;
constexpr int kPixelsPerThread = 64;  // few enough that a small image has many blocks

}  // namespace

// blockIdx.x counts pieces of kThreads * kPixelsPerThread pixels, blockIdx.y is the job.
__global__ void __launch_bounds__(kThreads) sum_channels(const ContrastJob* jobs) {
  const ContrastJob& job = jobs[blockIdx.y];
  const std::int64_t pixels = static_cast<std::int64_t>(job.image.height) * job.image.width;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * kThreads * kPixelsPerThread;
  std::uint32_t sums[3] = {};
  for (int i = 0; i < kPixelsPerThread; ++i) {
    const std::int64_t index = begin + i * kThreads + threadIdx.x;
    if (index >= pixels) break;
    const Pixel pixel = load_pixel(job.image, static_cast<int>(index / job.image.width),
                                   static_cast<int>(index % job.image.width));
    for (int c = 0; c < 3; ++c) sums[c] += channel_of(pixel, c);
  }
  GPU_UNROLL
  for (int c = 0; c < 3; ++c) {
    std::uint32_t sum = sums[c];
    for (int step = kWarp / 2; step > 0; step /= 2) sum += __shfl_xor_sync(kWholeWarp, sum, step);
    if (threadIdx.x % kWarp == 0 && sum > 0) {
      atomicAdd(&job.sums[c], static_cast<unsigned long long>(sum));
    }
  }
}

// Each block has one job, each thread one level.
__global__ void __launch_bounds__(kThreads) map_contrasts(const ContrastJob* jobs) {
  const ContrastJob& job = jobs[blockIdx.y];
  const double pixels = static_cast<double>(job.image.height) * job.image.width;
  const int level = static_cast<int>(threadIdx.x);
  for (int c = 0; c < 3; ++c) {
    const double mean = static_cast<double>(job.sums[c]) / pixels;
    job.levels[256 * c + level] = contrast_level(level, mean, job.factor);
  }
}

void load_contrast_kernels() {
  load_kernels(sum_channels, map_contrasts);
}

void launch_contrasts(const JobList<ContrastJob>& list, cudaStream_t stream) {
  constexpr std::int64_t kPixels = std::int64_t{kThreads} * kPixelsPerThread;
  const auto count = [](const Size& size) {
    return (std::int64_t{size.height} * size.width + kPixels - 1) / kPixels;
  };
  for_launches(list, count, [&](const ContrastJob* jobs, dim3 grid) {
    GPU_LAUNCH(sum_channels, grid, dim3(kThreads), stream, jobs);
    GPU_LAUNCH(map_contrasts, dim3(1, grid.y), dim3(kThreads), stream, jobs);
  });
}

}  // namespace vrs
