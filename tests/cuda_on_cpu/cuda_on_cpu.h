// Compiles our CUDA sources with the host compiler and runs them there: what gpu.h includes in
// place of the CUDA headers when VRS_CUDA_ON_CPU is defined. For tests only. Link with the .cpp
// files of this folder.
//
// What it is stricter about than a GPU: see README.md.
#pragma once

#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#include "block_scheduler.h"
#include "cuda_runtime_on_cpu.h"
#include "cuda_types.h"
#include "machine.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

#define GPU_LAUNCH(kernel, grid, block, stream, ...) \
  ::cuda_on_cpu::kernel_to_launch(#kernel, kernel, (grid), (block), (stream))(__VA_ARGS__)

// The struct lets `type` say alignas. __shared__ itself is not defined: it would be one variable
// for all blocks.
#define GPU_SHARED(type, name, extents)                                                      \
  struct name##_in_shared_memory {                                                           \
    type value extents;                                                                      \
  };                                                                                         \
  static char name##_site;                                                                   \
  auto& name =                                                                               \
      static_cast<name##_in_shared_memory*>(                                                 \
          ::cuda_on_cpu::shared_memory(&name##_site, sizeof(name##_in_shared_memory::value), \
                                       alignof(name##_in_shared_memory)))                    \
          ->value

namespace cuda_on_cpu {

// Launches once called with the arguments, which each thread gets a copy of.
template <typename... Parameters>
class KernelToLaunch {
 public:
  static_assert((std::is_trivially_copyable_v<Parameters> && ...),
                "CUDA copies arguments byte by byte");

  KernelToLaunch(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block,
                 cudaStream_t stream)
      : kernel_(kernel), launch_{name, grid, block, run_thread, nullptr}, stream_(stream) {}

  template <typename... Arguments>
  void operator()(Arguments&&... arguments) {
    if (!is_valid_configuration(launch_.grid, launch_.block)) {
      remember(cudaErrorInvalidConfiguration);
      return;
    }
    if (!admit_launch(reinterpret_cast<const void*>(kernel_), stream_, launch_.grid)) return;
    Call call{kernel_, {std::forward<Arguments>(arguments)...}};
    launch_.arguments = &call;
    run_grid(launch_);
  }

 private:
  struct Call {
    void (*kernel)(Parameters...);
    std::tuple<Parameters...> arguments;
  };
  static void run_thread(void* call) {
    run_thread(*static_cast<const Call*>(call), std::index_sequence_for<Parameters...>());
  }
  template <std::size_t... kIndices>  // std::apply would put four frames into every report
  static void run_thread(const Call& call, std::index_sequence<kIndices...>) {
    call.kernel(std::get<kIndices>(call.arguments)...);
  }

  void (*kernel_)(Parameters...);
  Launch launch_;
  cudaStream_t stream_;
};

template <typename... Parameters>
KernelToLaunch<Parameters...> kernel_to_launch(const char* name, void (*kernel)(Parameters...),
                                               dim3 grid, dim3 block, cudaStream_t stream) {
  return {name, kernel, grid, block, stream};
}

constexpr unsigned kAllLanes = 0xFFFFFFFF;

// Lanes exchange within segments of `width`, a power of two, of which this is the lane's first.
inline int first_lane_of_segment(const char* what, int width) {
  if (width < 1 || width > warpSize || (width & (width - 1)) != 0)
    fail("calls %s with a width of %d", what, width);
  return lane_id() & ~(width - 1);
}

template <typename T>
T exchange(const char* what, unsigned mask, T value, int source_lane, const char* file, int line) {
  static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8),
                "no shuffle of CUDA's for this type");
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = exchange_in_warp({what, file, line}, mask, bits, source_lane);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace cuda_on_cpu

inline void __syncthreads(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  cuda_on_cpu::wait_for_block({"__syncthreads", file, line});
}

inline void __syncwarp(unsigned mask = cuda_on_cpu::kAllLanes, const char* file = __builtin_FILE(),
                       int line = __builtin_LINE()) {
  cuda_on_cpu::wait_for_warp({"__syncwarp", file, line}, mask);
}

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize,
              const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const int first = cuda_on_cpu::first_lane_of_segment("__shfl_sync", width);
  return cuda_on_cpu::exchange("__shfl_sync", mask, value, first + (source & (width - 1)), file,
                               line);
}

// A lane beyond the segment is the caller's own, in the three that follow.
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = warpSize,
                  const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const int first = cuda_on_cpu::first_lane_of_segment("__shfl_xor_sync", width);
  const int own = cuda_on_cpu::lane_id(), source = own ^ (lane_mask & (warpSize - 1));
  return cuda_on_cpu::exchange("__shfl_xor_sync", mask, value,
                               source < first + width ? source : own, file, line);
}

template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                   const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const int first = cuda_on_cpu::first_lane_of_segment("__shfl_down_sync", width);
  const int own = cuda_on_cpu::lane_id(), source = own + static_cast<int>(delta & (warpSize - 1));
  return cuda_on_cpu::exchange("__shfl_down_sync", mask, value,
                               source < first + width ? source : own, file, line);
}

template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                 const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const int first = cuda_on_cpu::first_lane_of_segment("__shfl_up_sync", width);
  const int own = cuda_on_cpu::lane_id(), source = own - static_cast<int>(delta & (warpSize - 1));
  return cuda_on_cpu::exchange("__shfl_up_sync", mask, value, source >= first ? source : own, file,
                               line);
}

// Relaxed, as CUDA's: it orders no other access. Atomic, because other threads of the system may
// launch as well.
inline int atomicAdd(int* sum, int value) {
  return __atomic_fetch_add(sum, value, __ATOMIC_RELAXED);
}
inline unsigned atomicAdd(unsigned* sum, unsigned value) {
  return __atomic_fetch_add(sum, value, __ATOMIC_RELAXED);
}
inline unsigned long long atomicAdd(unsigned long long* sum, unsigned long long value) {
  return __atomic_fetch_add(sum, value, __ATOMIC_RELAXED);
}

template <typename T>
T __ldg(const T* value) {
  return *value;
}

inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((std::uint64_t{high} << 32 | low) >> (shift & 31));
}

inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(std::uint64_t{a} * b >> 32);
}

// Four bytes of (x, y), by the four lowest hexadecimal digits of the selector. CUDA documents three
// bits of a digit; what the fourth does is no part of that, so that it is not allowed here.
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  if ((selector & 0x8888) != 0)
    cuda_on_cpu::fail("calls __byte_perm with the selector 0x%x", selector);
  const std::uint64_t bytes = std::uint64_t{y} << 32 | x;
  unsigned result = 0;
  for (int i = 0; i < 4; ++i) {
    result |= static_cast<unsigned>(bytes >> (selector >> 4 * i & 7) * 8 & 0xFF) << 8 * i;
  }
  return result;
}
