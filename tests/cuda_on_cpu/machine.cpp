// The runtime's view of the machine: ordered failures, contexts, loaded kernels, captures.
#include "machine.h"

#include <set>
#include <string>
#include <utility>

#include "machine_state.h"

namespace cuda_on_cpu {
namespace {

struct State {
  Machine machine;
  std::vector<std::pair<std::string, cudaError_t>> failures;
  std::set<std::pair<int, const void*>> loaded;  // device, kernel
};

State& state() {
  static State* state = new State;
  return *state;
}

thread_local int device = 0;
thread_local cudaStreamCaptureMode capture_mode = cudaStreamCaptureModeGlobal;

}  // namespace

Machine& machine() {
  return state().machine;
}

std::mutex& machine_mutex() {
  static std::mutex* mutex = new std::mutex;
  return *mutex;
}

int& current_device() {
  return device;
}

cudaStreamCaptureMode& current_capture_mode() {
  return capture_mode;
}

void fail_next(const char* call, cudaError_t error) {
  state().failures.emplace_back(call, error);
}

void forget_failures() {
  state().failures.clear();
}

cudaError_t take_failure(const char* call) {
  auto& failures = state().failures;
  for (auto failure = failures.begin(); failure != failures.end(); ++failure) {
    if (failure->first != call) continue;
    const cudaError_t error = failure->second;
    failures.erase(failure);
    return error;
  }
  return cudaSuccess;
}

bool is_forbidden_by_capture() {
  return machine().captured_streams > 0 && capture_mode != cudaStreamCaptureModeRelaxed;
}

void make_context() {
  machine().contexts |= std::uint64_t{1} << device;
}

void load_kernel(const void* kernel) {
  make_context();
  state().loaded.insert({device, kernel});
}

bool admit_launch(const void* kernel, cudaStream_t stream, dim3 grid) {
  const std::lock_guard<std::mutex> lock(machine_mutex());
  cudaError_t error = take_failure("launch");
  const bool is_captured = stream != nullptr && stream->is_captured;
  if (is_captured && state().loaded.count({device, kernel}) == 0) {
    error = cudaErrorStreamCaptureUnsupported;
  }
  if (remember(error) != cudaSuccess) return false;
  load_kernel(kernel);
  machine().grids.push_back(grid);
  return true;
}

}  // namespace cuda_on_cpu
