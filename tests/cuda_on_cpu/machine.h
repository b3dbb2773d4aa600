// The machine that the runtime on the host plays: what a test makes of it, and what it has seen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda_runtime_on_cpu.h"
#include "cuda_types.h"

// A stream of a test's own. While it is captured, launches still run at once.
struct CUstream_st {
  bool is_captured = false;
};

namespace cuda_on_cpu {

struct Machine {
  // What a test sets.
  int devices = 1;
  int driver_version = CUDART_VERSION;  // 0: there is no driver
  int captured_streams = 0;             // in CUDA's strictest mode, which binds all threads
  bool is_busy = false;                 // events are ready when somebody waits for them, not before

  // What was seen.
  std::uint64_t contexts = 0;  // a bit for each device that has a primary context
  std::size_t locked_bytes = 0, most_locked_bytes = 0;
  int waits = 0;                     // for events
  std::vector<std::size_t> uploads;  // bytes of each copy to the device
  std::vector<dim3> grids;           // of each launch
};

// Not for two threads at once, which tests do not need; the runtime itself locks.
Machine& machine();

// The next call of this name fails so, once. Several such orders are kept, for several names.
void fail_next(const char* call, cudaError_t error);

// Forgets failures that no call has taken.
void forget_failures();

// Called by launches, with the kernel's address: whether it may run.
bool admit_launch(const void* kernel, cudaStream_t stream, dim3 grid);

}  // namespace cuda_on_cpu
