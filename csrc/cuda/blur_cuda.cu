// The blur, which runs before the fused kernel: rows, then columns, each pass a product of the
// tensor cores with a band of the filter's weights.
//
// A block computes a tile. It stages the tile and its margins, four rows of a column to a word, so
// that the first pass finds neighbouring rows in one register; that pass writes lines of bytes, in
// which the second one finds neighbouring columns. Pixels beyond the edge repeat it when staged.
#include "blur_cuda.h"
#include "four_pixels.h"
#include "prepare_cuda.h"
#include "tensor_core.h"
#include "weight_fragments.h"

namespace vrs {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarp * kWarps;
constexpr int kHalfFragment = kFragmentSources / 2;  // the sources of a lane's word
constexpr std::int32_t kHalf = 128;  // of a level, so that taking the upper byte rounds

// `reach`: the margin, at least half of the filter. Products read whole fragments: beyond the
// margins they multiply what memory holds by 0.
template <int reach, int width, int height>
struct Tile {
  static constexpr int kReach = reach, kWidth = width, kHeight = height;
  static constexpr int kSteps = blur_steps(reach);
  static constexpr int kRows = kHeight + 2 * kReach, kColumns = kWidth + 2 * kReach;
  static constexpr int kGroupEnd = kSteps * kFragmentSources - kFragmentOutputs;
  static constexpr int kQuadRows = (kHeight + kGroupEnd) / 4;
  static constexpr int kLineBytes = kWidth + kGroupEnd;
  // The lanes of a load are four words down and eight across, or the other way round: these
  // pitches, in words, put all into different banks.
  static constexpr int kQuadPitch = (kColumns + 7) / 16 * 16 + 8;
  static constexpr int kLinePitch = (kLineBytes / 4 + 3) / 8 * 8 + 4;
  static_assert(kQuadPitch >= kColumns && 4 * kLinePitch >= kLineBytes);
};

template <typename T>
struct Staged {
  std::uint32_t quads[3][T::kQuadRows][T::kQuadPitch];  // four rows of a column
  std::uint32_t lines[3][T::kHeight][T::kLinePitch];    // four columns of a row
};

// Four rows of four columns at a time, the rows of a column in one word.
template <typename T>
__device__ void stage_tile(const DeviceImage& image, int y0, int x0, Staged<T>& staged) {
  constexpr int kAcross = T::kColumns / 4, kDown = T::kRows / 4;
  const bool is_aligned = has_aligned_rows(image);
  for (int i = threadIdx.x; i < kAcross * kDown; i += kThreads) {
    const int quad = i / kAcross, column = i % kAcross * 4;
    const int y = y0 - T::kReach + 4 * quad, x = x0 - T::kReach + column;
    const std::uint8_t* row = image.pixels + clamp_index(y, image.height) * image.row_stride;
    Pixel rows[4][4];
    GPU_UNROLL
    for (int k = 0; k < 4; ++k) {
      if (k > 0 && y + k > 0 && y + k < image.height) row += image.row_stride;
      load_four(image, is_aligned, row, x, rows[k]);
    }
    std::uint32_t planes[3][4];
    GPU_UNROLL
    for (int x = 0; x < 4; ++x) {
      split_four({rows[0][x], rows[1][x], rows[2][x], rows[3][x]}, planes[0][x], planes[1][x],
                 planes[2][x]);
    }
    GPU_UNROLL
    for (int c = 0; c < 3; ++c) {
      auto* target = reinterpret_cast<uint4*>(&staged.quads[c][quad][column]);
      *target = make_uint4(planes[c][0], planes[c][1], planes[c][2], planes[c][3]);
    }
  }
}

__device__ inline TileSums start_sums() {
  return {{kHalf, kHalf, kHalf, kHalf}};
}

// The first pass of 8 columns of a channel, 16 rows at a time. `quads`: this lane's first; `lines`:
// where its first two levels go, as bytes.
template <typename T>
__device__ inline void blur_eight_columns(const uint4 (&weights)[T::kSteps],
                                          const std::uint32_t* quads, std::uint8_t* lines) {
  constexpr int kHalves = (T::kHeight + T::kGroupEnd) / kHalfFragment;
  std::uint32_t words[kHalves];  // of sixteen rows each
  GPU_UNROLL
  for (int i = 0; i < kHalves; ++i) words[i] = quads[i * (kHalfFragment / 4) * T::kQuadPitch];
  GPU_UNROLL
  for (int row = 0; row < T::kHeight; row += kFragmentOutputs) {
    TileSums sums = start_sums();
    GPU_UNROLL
    for (int step = 0; step < T::kSteps; ++step) {
      const int i = row / kHalfFragment + 2 * step;
      add_product<std::uint8_t>(sums, weights[step], {{words[i], words[i + 1]}});
    }
    GPU_UNROLL
    for (int half = 0; half < 2; ++half) {
      const std::int32_t* pair = sums.values + 2 * half;
      auto* target = lines + (row + 8 * half) * (4 * T::kLinePitch);
      *reinterpret_cast<std::uint16_t*>(target) = static_cast<std::uint16_t>(
          __byte_perm(pair[0], pair[1], 0x51));  // of each the upper byte
    }
  }
}

template <typename T>
__device__ void blur_rows(const uint4 (&weights)[T::kSteps], Staged<T>& staged) {
  const int lane = threadIdx.x % kWarp;
  for (int column = threadIdx.x / kWarp * kPlaces; column < T::kColumns;
       column += kWarps * kPlaces) {
    const std::uint32_t* quads = &staged.quads[0][lane % 4][column + lane / 4];
    auto* lines = reinterpret_cast<std::uint8_t*>(&staged.lines[0][lane / 4][0]) + column;
    GPU_UNROLL
    for (int c = 0; c < 3; ++c) {
      blur_eight_columns<T>(weights, quads + c * T::kQuadRows * T::kQuadPitch,
                            lines + c * T::kHeight * T::kLinePitch * 4 + lane % 4 * 2);
    }
  }
}

// The second pass: 16 columns x 8 rows of all channels at a time. Each warp keeps to its rows.
template <typename T>
__device__ void blur_columns(const uint4 (&weights)[T::kSteps], const Staged<T>& staged,
                             const BlurJob& job, int y0, int x0) {
  constexpr int kDown = T::kHeight / kPlaces;
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int row = warp % kDown * kPlaces;
  const int y = y0 + row + lane % 4 * 2, first = warp / kDown * kFragmentOutputs;
  std::uint8_t* out = job.out + y * job.out_stride;
  const std::uint32_t* words = &staged.lines[0][row + lane / 4][lane % 4];
  GPU_KEEP_LOOP
  for (int column = first; column < T::kWidth; column += kWarps / kDown * kFragmentOutputs) {
    TileSums sums[3] = {start_sums(), start_sums(), start_sums()};
    GPU_UNROLL
    for (int step = 0; step < T::kSteps; ++step) {
      GPU_UNROLL
      for (int c = 0; c < 3; ++c) {
        const std::uint32_t* word =
            words + column / 4 + c * T::kHeight * T::kLinePitch + step * kFragmentSources / 4;
        add_product<std::uint8_t>(sums[c], weights[step], {{word[0], word[kHalfFragment / 4]}});
      }
    }
    GPU_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int x = x0 + column + lane / 4 + i / 2 * 8;
      if (y + i % 2 >= job.image.height || x >= job.image.width) continue;
      // The upper byte of each sum; they have two bytes, so that the fourth byte of the last is 0.
      const std::uint32_t pair = __byte_perm(sums[0].values[i], sums[1].values[i], 0x51);
      auto* pixels = reinterpret_cast<Pixel*>(out + i % 2 * job.out_stride);
      pixels[x] = __byte_perm(pair, sums[2].values[i], 0x7510);
    }
  }
}

}  // namespace

// blockIdx.x is the tile, blockIdx.y the job.
template <int reach, int width, int height>
__global__ void __launch_bounds__(kThreads) blur(const BlurJob* __restrict__ jobs) {
  using T = Tile<reach, width, height>;
  GPU_SHARED(alignas(16) Staged<T>, staged, );
  const BlurJob job = jobs[blockIdx.y];
  const auto [row, column] = find_tile(blockIdx.x, job.tiles_across);
  const int y0 = row * T::kHeight, x0 = column * T::kWidth;
  if (y0 >= job.image.height) return;
  const auto* fragments = reinterpret_cast<const uint4*>(job.fragments) + threadIdx.x % kWarp;
  uint4 weights[T::kSteps];
  GPU_UNROLL
  for (int step = 0; step < T::kSteps; ++step) {
    weights[step] = __ldg(fragments + step * kWarp);
  }
  stage_tile<T>(job.image, y0, x0, staged);
  __syncthreads();  // the tile is staged
  blur_rows<T>(weights, staged);
  __syncthreads();
  blur_columns<T>(weights, staged, job, y0, x0);
}

namespace {

template <int reach, int width, int height>
void launch(const JobList<BlurJob>& list, cudaStream_t stream) {
  const auto count = [](const Size& size) { return count_tiles(size, height, width); };
  for_launches(list, count, [&](const BlurJob* jobs, dim3 grid) {
    GPU_LAUNCH((blur<reach, width, height>), grid, dim3(kThreads), stream, jobs);
  });
}

}  // namespace

void load_blur_kernels() {
  load_kernels(blur<kNearBlurReach, 64, 32>, blur<kWideBlurReach, 32, 16>);
}

void launch_blurs(const JobList<BlurJob>& near, const JobList<BlurJob>& wide, cudaStream_t stream) {
  launch<kNearBlurReach, kNearBlurWidth, 32>(near, stream);
  launch<kWideBlurReach, kWideBlurWidth, 16>(wide, stream);
}

}  // namespace vrs
