// Right kernels that use all that the shim emulates, each compared with a loop on the host:
// `kernels NAME` ends with 0 where they agree.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "cuda/gpu.h"
#include "cuda/tensor_core.h"
#include "device_array.h"

namespace {

constexpr int kThreads = 256;

int value_at(int i) {
  return static_cast<int>(static_cast<unsigned>(i) * 2654435761u >> 8) % 2001 - 1000;
}

std::vector<int> values(int count) {
  std::vector<int> result(count);
  for (int i = 0; i < count; ++i) result[i] = value_at(i);
  return result;
}

}  // namespace

// One sum a row of (planes, rows, columns): shuffles within warps, shared memory between them,
// 64-bit atomics between the blocks of a row. Grid (blocks a row, rows, planes).
__global__ void __launch_bounds__(kThreads)
    sum_rows(const int* values, unsigned long long* sums, int columns) {
  GPU_SHARED(long long, warp_sums, [kThreads / 32]);
  const int row = blockIdx.z * gridDim.y + blockIdx.y;
  long long sum = 0;
  for (int x = blockIdx.x * blockDim.x + threadIdx.x; x < columns; x += gridDim.x * blockDim.x) {
    sum += __ldg(&values[row * columns + x]);
  }
  for (int step = 16; step > 0; step /= 2) sum += __shfl_down_sync(0xFFFFFFFF, sum, step);
  if (threadIdx.x % 32 == 0) warp_sums[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x >= 32) return;
  sum = threadIdx.x < kThreads / 32 ? warp_sums[threadIdx.x] : 0;
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xFFFFFFFF, sum, step);
  if (threadIdx.x == 0) atomicAdd(&sums[row], static_cast<unsigned long long>(sum));
}

static bool sum_rows_is_right() {
  constexpr int kPlanes = 3, kRows = 5, kColumns = 1000;
  const std::vector<int> input = values(kPlanes * kRows * kColumns);
  DeviceArray<int> device_input(input);
  DeviceArray<unsigned long long> sums(std::vector<unsigned long long>(kPlanes * kRows, 0));
  GPU_LAUNCH(sum_rows, dim3(2, kRows, kPlanes), kThreads, nullptr, device_input.data(), sums.data(),
             kColumns);
  std::vector<unsigned long long> expected(kPlanes * kRows, 0);
  for (std::size_t i = 0; i < input.size(); ++i)
    expected[i / kColumns] += static_cast<long long>(input[i]);
  return sums.to_host() == expected;
}

// (rows, columns) -> (columns, rows) by tiles of 16 x 16; a block takes all tiles of its columns,
// so that it writes the tile anew after others have read it.
template <typename T, bool kNegated>
__global__ void transpose(const T* input, T* output, int rows, int columns) {
  GPU_SHARED(T, tile, [16][17]);
  const int x = threadIdx.x, y = threadIdx.y, left = blockIdx.x * 16;
  for (int top = 0; top < rows; top += 16) {
    if (top + y < rows && left + x < columns) tile[y][x] = input[(top + y) * columns + left + x];
    __syncthreads();
    if (left + y < columns && top + x < rows) {
      output[(left + y) * rows + top + x] = kNegated ? -tile[x][y] : tile[x][y];
    }
    __syncthreads();
  }
}

static bool transpose_is_right() {
  constexpr int kRows = 53, kColumns = 37;
  const std::vector<int> integers = values(kRows * kColumns);
  const std::vector<float> input(integers.begin(), integers.end());
  DeviceArray<float> device_input(input), output(std::vector<float>(input.size()));
  GPU_LAUNCH((transpose<float, true>), (kColumns + 15) / 16, dim3(16, 16), nullptr,
             device_input.data(), output.data(), kRows, kColumns);
  std::vector<float> expected(input.size());
  for (int y = 0; y < kRows; ++y) {
    for (int x = 0; x < kColumns; ++x) expected[x * kRows + y] = -input[y * kColumns + x];
  }
  return output.to_host() == expected;
}

// Counts of the values' low four bits: atomics on shared memory, a scalar in it, and a local array
// with an index that the compiler does not know.
__global__ void count_digits(const int* values, unsigned* counts, int* total, int count) {
  GPU_SHARED(unsigned, block_counts, [16]);
  GPU_SHARED(int, block_total, );
  int own[16] = {};
  if (threadIdx.x < 16) block_counts[threadIdx.x] = 0;
  if (threadIdx.x == 0) block_total = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x)
    ++own[values[i] & 15];
  for (int digit = 0; digit < 16; ++digit) {
    atomicAdd(&block_counts[digit], static_cast<unsigned>(own[digit]));
    atomicAdd(&block_total, own[digit]);
  }
  __syncthreads();
  if (threadIdx.x < 16) atomicAdd(&counts[threadIdx.x], block_counts[threadIdx.x]);
  if (threadIdx.x == 0) atomicAdd(total, block_total);
}

static bool count_digits_is_right() {
  const std::vector<int> input = values(3000);
  DeviceArray<int> device_input(input), total(std::vector<int>(1, 0));
  DeviceArray<unsigned> counts(std::vector<unsigned>(16, 0));
  GPU_LAUNCH(count_digits, 5, 96, nullptr, device_input.data(), counts.data(), total.data(), 3000);
  std::vector<unsigned> expected(16, 0);
  for (const int value : input) ++expected[value & 15];
  return counts.to_host() == expected && total.to_host()[0] == 3000;
}

// Eight results a lane: every shuffle, with segments, with half a warp, and memory handed over by
// __syncwarp.
__global__ void shuffle(float* output) {
  GPU_SHARED(int, handed_over, [64]);
  const int lane = threadIdx.x % 32, value = 100 * (threadIdx.x / 32) + lane;
  float* out = output + 8 * threadIdx.x;
  out[0] = __shfl_sync(0xFFFFFFFF, value, 5);
  out[1] = __shfl_sync(0xFFFFFFFF, static_cast<float>(value) + 0.5f, lane + 1, 8);
  out[2] = __shfl_xor_sync(0xFFFFFFFF, static_cast<unsigned>(value), 12, 8);
  out[3] = __shfl_down_sync(0xFFFFFFFF, static_cast<unsigned long long>(value), 3, 16);
  out[4] = __shfl_up_sync(0xFFFFFFFF, value, 2);
  out[5] = lane < 16 ? __shfl_down_sync(0x0000FFFF, value, 1, 16)
                     : __shfl_xor_sync(0xFFFF0000, value, 1);
  handed_over[threadIdx.x] = value;
  __syncwarp();
  out[6] = handed_over[threadIdx.x ^ 31];
  __syncwarp();
  handed_over[threadIdx.x] = -value;
  if (lane < 8) {
    __syncwarp(0xFF);
    out[7] = handed_over[threadIdx.x ^ 7];
  } else {
    out[7] = 0;
  }
}

static bool shuffle_is_right() {
  DeviceArray<float> output(std::vector<float>(64 * 8, -1));
  GPU_LAUNCH(shuffle, 1, 64, nullptr, output.data());
  std::vector<float> expected;
  for (int thread = 0; thread < 64; ++thread) {
    const int lane = thread % 32, warp = 100 * (thread / 32);
    expected.push_back(warp + 5);
    expected.push_back(warp + lane / 8 * 8 + (lane + 1) % 8 + 0.5f);
    expected.push_back(warp + ((lane ^ 12) < lane / 8 * 8 + 8 ? lane ^ 12 : lane));
    expected.push_back(warp + (lane % 16 + 3 < 16 ? lane + 3 : lane));
    expected.push_back(warp + (lane >= 2 ? lane - 2 : lane));
    expected.push_back(warp + (lane >= 16 ? lane ^ 1 : lane == 15 ? lane : lane + 1));
    expected.push_back(warp + (lane ^ 31));
    expected.push_back(lane < 8 ? -(warp + (lane ^ 7)) : 0);
  }
  return output.to_host() == expected;
}

// Intrinsics, vector types, and shared bytes that are aligned for them: swaps the bytes of every
// word by one rule, and adds the upper half of a product.
__global__ void mix_words(const uint4* input, uint4* output, int count) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  GPU_SHARED(alignas(16) unsigned char, bytes, [32 * sizeof(uint4)]);
  uint4* own = reinterpret_cast<uint4*>(&bytes[threadIdx.x * sizeof(uint4)]);
  *own = __ldg(&input[i]);
  const uint4 words = *own;
  output[i] =
      make_uint4(__byte_perm(words.x, words.y, 0x0123), __byte_perm(words.x, words.y, 0x7240),
                 __umulhi(words.z, words.w), words.w + gridDim.x + warpSize);
}

static bool mix_words_is_right() {
  std::vector<uint4> input, expected;
  for (unsigned i = 0; i < 100; ++i) {
    const uint4 w =
        make_uint4(i * 2654435761u, i * 40503u + 7, ~i * 69069u, i * 1664525u + 1013904223u);
    input.push_back(w);
    expected.push_back(
        make_uint4(__builtin_bswap32(w.x),
                   (w.y >> 24) << 24 | (w.x >> 16 & 255) << 16 | (w.y & 255) << 8 | (w.x & 255),
                   static_cast<unsigned>(std::uint64_t{w.z} * w.w >> 32), w.w + 4 + 32));
  }
  DeviceArray<uint4> device_input(input), output(std::vector<uint4>(input.size()));
  GPU_LAUNCH(mix_words, 4, 32, nullptr, device_input.data(), output.data(), 100);
  return std::memcmp(output.to_host().data(), expected.data(), sizeof(uint4) * expected.size()) ==
         0;
}

// A product of the tensor cores, its matrices row by row: 16 x 32 of weights, 32 x 8 of levels; the
// second block multiplies the same bytes as unsigned weights.
__global__ void multiply(const unsigned char* weights, const unsigned char* levels, int* sums) {
  const int lane = threadIdx.x;
  unsigned words[4] = {};
  vrs::TileLevels places = {};
  for (int source = 4 * (lane % 4); source < 32; source += source % 4 == 3 ? 13 : 1) {
    const int shift = 8 * (source % 4);
    for (int half = 0; half < 2; ++half) {
      words[source / 16 * 2 + half] |= weights[(lane / 4 + 8 * half) * 32 + source] << shift;
    }
    places.words[source / 16] |= levels[source * 8 + lane / 4] << shift;
  }
  const uint4 fragment = make_uint4(words[0], words[1], words[2], words[3]);
  vrs::TileSums tile = {{5, 5, 5, 5}};
  if (blockIdx.x == 0) {
    vrs::add_product<std::int8_t>(tile, fragment, places);
  } else {
    vrs::add_product<std::uint8_t>(tile, fragment, places);
  }
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    sums[blockIdx.x * 128 + row * 8 + column] = tile.values[i];
  }
}

static bool multiply_is_right() {
  std::vector<unsigned char> weights, levels;
  for (const int value : values(512)) weights.push_back(static_cast<unsigned char>(value));
  for (const int value : values(256)) levels.push_back(static_cast<unsigned char>(value / 3));
  DeviceArray<unsigned char> device_weights(weights), device_levels(levels);
  DeviceArray<int> sums(std::vector<int>(2 * 128));
  GPU_LAUNCH(multiply, 2, 32, nullptr, device_weights.data(), device_levels.data(), sums.data());
  std::vector<int> expected(2 * 128, 5);
  for (int i = 0; i < 128; ++i) {
    for (int source = 0; source < 32; ++source) {
      const unsigned char weight = weights[i / 8 * 32 + source], level = levels[source * 8 + i % 8];
      expected[i] += static_cast<signed char>(weight) * level;
      expected[128 + i] += weight * level;
    }
  }
  return sums.to_host() == expected;
}

int main(int argc, char** argv) {
  const struct {
    const char* name;
    bool (*is_right)();
  } kernels[] = {{"sum_rows", sum_rows_is_right},         {"transpose", transpose_is_right},
                 {"count_digits", count_digits_is_right}, {"shuffle", shuffle_is_right},
                 {"mix_words", mix_words_is_right},       {"multiply", multiply_is_right}};
  bool all_right = true;
  for (const auto& kernel : kernels) {
    if (argc > 1 && std::strcmp(argv[1], kernel.name) != 0) continue;
    const bool right = kernel.is_right() && cudaGetLastError() == cudaSuccess;
    std::printf("%s: %s\n", kernel.name, right ? "right" : "wrong");
    all_right = all_right && right;
  }
  return all_right ? 0 : 1;
}
