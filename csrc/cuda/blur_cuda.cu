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
    Pixel rows[4][4];
    GPU_UNROLL
    for (int k = 0; k < 4; ++k) {
      load_four(image, is_aligned, y0 - T::kReach + 4 * quad + k, x0 - T::kReach + column, rows[k]);
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

// The first pass: 16 rows x 8 columns of a channel at a time.
template <typename T>
__device__ void blur_rows(const uint4 (&weights)[T::kSteps], Staged<T>& staged) {
  constexpr int kPlaces = T::kColumns / 8;
  const int lane = threadIdx.x % kWarp;
  for (int i = threadIdx.x / kWarp; i < 3 * kPlaces; i += kWarps) {
    const int channel = i / kPlaces, column = i % kPlaces * 8;
    const std::uint32_t* quads = &staged.quads[channel][lane % 4][column + lane / 4];
    auto* line = reinterpret_cast<std::uint16_t*>(&staged.lines[channel][lane / 4][column / 4]);
    GPU_UNROLL
    for (int row = 0; row < T::kHeight; row += kFragmentOutputs) {
      TileSums sums = start_sums();
      GPU_UNROLL
      for (int step = 0; step < T::kSteps; ++step) {
        const int quad = (row + step * kFragmentSources) / 4;
        add_product<std::uint8_t>(
            sums, weights[step],
            {{quads[quad * T::kQuadPitch], quads[(quad + 4) * T::kQuadPitch]}});
      }
      const auto& s = sums.values;
      constexpr int kPitch = 2 * T::kLinePitch;
      line[row * kPitch + lane % 4] = static_cast<std::uint16_t>(__byte_perm(s[0], s[1], 0x51));
      line[(row + 8) * kPitch + lane % 4] =
          static_cast<std::uint16_t>(__byte_perm(s[2], s[3], 0x51));
    }
  }
}

__device__ inline void store_blurred(const BlurJob& job, int y, int x, const TileSums (&sums)[3],
                                     int i) {
  if (y >= job.image.height || x >= job.image.width) return;
  // The second byte of each sum; they have two, so that the fourth byte of the third is 0.
  const std::uint32_t pair = __byte_perm(sums[0].values[i], sums[1].values[i], 0x51);
  auto* row = reinterpret_cast<Pixel*>(job.out + y * job.out_stride);
  row[x] = __byte_perm(pair, sums[2].values[i], 0x7510);
}

// The second pass: 16 columns x 8 rows of all channels at a time.
template <typename T>
__device__ void blur_columns(const uint4 (&weights)[T::kSteps], const Staged<T>& staged,
                             const BlurJob& job, int y0, int x0) {
  constexpr int kPlaces = T::kHeight / 8;
  const int lane = threadIdx.x % kWarp;
  for (int i = threadIdx.x / kWarp; i < T::kWidth / kFragmentOutputs * kPlaces; i += kWarps) {
    const int column = i / kPlaces * kFragmentOutputs, row = i % kPlaces * 8;
    const std::uint32_t* words = &staged.lines[0][row + lane / 4][column / 4 + lane % 4];
    TileSums sums[3] = {start_sums(), start_sums(), start_sums()};
    GPU_UNROLL
    for (int step = 0; step < T::kSteps; ++step) {
      GPU_UNROLL
      for (int c = 0; c < 3; ++c) {
        const int word = c * T::kHeight * T::kLinePitch + step * kFragmentSources / 4;
        add_product<std::uint8_t>(sums[c], weights[step], {{words[word], words[word + 4]}});
      }
    }
    GPU_UNROLL
    for (int k = 0; k < 4; ++k) {
      store_blurred(job, y0 + row + lane % 4 * 2 + k % 2, x0 + column + lane / 4 + k / 2 * 8, sums,
                    k);
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
  const int tiles_across = (job.image.width + T::kWidth - 1) / T::kWidth;
  const int y0 = static_cast<int>(blockIdx.x) / tiles_across * T::kHeight;
  const int x0 = static_cast<int>(blockIdx.x) % tiles_across * T::kWidth;
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
  launch<kNearBlurReach, 64, 32>(near, stream);
  launch<kWideBlurReach, 32, 16>(wide, stream);
}

}  // namespace vrs
