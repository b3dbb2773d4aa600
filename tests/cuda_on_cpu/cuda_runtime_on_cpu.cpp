// The CUDA runtime on host memory.
#include "cuda_runtime_on_cpu.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>

#include "machine.h"
#include "machine_state.h"

struct CUevent_st {
  std::atomic<int> queries_until_ready{0};
  std::atomic<bool> is_awaited{false};  // it was recorded on a busy machine
  int device = 0;
};

namespace {

thread_local cudaError_t last_error = cudaSuccess;

struct ErrorText {
  cudaError_t error;
  const char* name;
  const char* message;
};
constexpr ErrorText kErrorTexts[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice",
     "no kernel image is available for execution on the device"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
};

using Lock = std::lock_guard<std::mutex>;

// What ends a call before it does anything: a failure that a test ordered.
#define RETURN_ORDERED_FAILURE()                                                               \
  const Lock lock(cuda_on_cpu::machine_mutex());                                               \
  if (const cudaError_t ordered = cuda_on_cpu::take_failure(__func__); ordered != cudaSuccess) \
  return cuda_on_cpu::remember(ordered)

#define RETURN_IF_FORBIDDEN_BY_CAPTURE()      \
  if (cuda_on_cpu::is_forbidden_by_capture()) \
  return cuda_on_cpu::remember(cudaErrorStreamCaptureUnsupported)

std::map<void*, std::size_t>& locked_blocks() {
  static auto* blocks = new std::map<void*, std::size_t>;
  return *blocks;
}

// As precisely aligned as CUDA promises, and no byte longer than asked for: AddressSanitizer sees
// the first beyond.
cudaError_t allocate(void** memory, std::size_t bytes) {
  if (memory == nullptr) return cuda_on_cpu::remember(cudaErrorInvalidValue);
  *memory = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (posix_memalign(memory, 256, bytes) != 0)
    return cuda_on_cpu::remember(cudaErrorMemoryAllocation);
  std::memset(*memory, 0xFF, bytes);
  return cudaSuccess;
}

}  // namespace

namespace cuda_on_cpu {

cudaError_t remember(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

}  // namespace cuda_on_cpu

using cuda_on_cpu::remember;

const char* cudaGetErrorName(cudaError_t error) {
  for (const ErrorText& text : kErrorTexts) {
    if (text.error == error) return text.name;
  }
  return "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t error) {
  for (const ErrorText& text : kErrorTexts) {
    if (text.error == error) return text.message;
  }
  return "unrecognized error code";
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() {
  return last_error;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = cuda_on_cpu::machine().driver_version;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  RETURN_ORDERED_FAILURE();
  const auto& machine = cuda_on_cpu::machine();
  if (machine.driver_version < CUDART_VERSION) return remember(cudaErrorInsufficientDriver);
  if (machine.devices == 0) return remember(cudaErrorNoDevice);
  *count = machine.devices;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  RETURN_ORDERED_FAILURE();
  *device = cuda_on_cpu::current_device();
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  RETURN_ORDERED_FAILURE();
  if (device < 0 || device >= cuda_on_cpu::machine().devices)
    return remember(cudaErrorInvalidDevice);
  cuda_on_cpu::current_device() = device;
  cuda_on_cpu::make_context();
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return remember(cudaErrorInvalidDevice);
  std::strcpy(properties->name, "none: CUDA on the CPU, for tests");
  return cudaSuccess;
}

// cuDevicePrimaryCtxGetState
static int get_context_state(int device, unsigned* flags, int* is_active) {
  const Lock lock(cuda_on_cpu::machine_mutex());
  *flags = 0;
  *is_active = static_cast<int>(cuda_on_cpu::machine().contexts >> device & 1);
  return 0;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  RETURN_ORDERED_FAILURE();
  *function = nullptr;
  if (std::strcmp(symbol, "cuDevicePrimaryCtxGetState") != 0) return cudaErrorInvalidValue;
  *function = reinterpret_cast<void*>(get_context_state);
  if (result != nullptr) *result = cudaDriverEntryPointSuccess;
  return cudaSuccess;
}

cudaError_t load_for_attributes(cudaFuncAttributes* attributes, const void* kernel) {
  const Lock lock(cuda_on_cpu::machine_mutex());
  RETURN_IF_FORBIDDEN_BY_CAPTURE();
  const cudaError_t ordered = cuda_on_cpu::take_failure("cudaFuncGetAttributes");
  if (ordered != cudaSuccess) return remember(ordered);
  cuda_on_cpu::load_kernel(kernel);
  attributes->maxThreadsPerBlock = 1024;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  RETURN_ORDERED_FAILURE();
  RETURN_IF_FORBIDDEN_BY_CAPTURE();
  cuda_on_cpu::make_context();
  return allocate(memory, bytes);
}

cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) {
  RETURN_ORDERED_FAILURE();
  RETURN_IF_FORBIDDEN_BY_CAPTURE();
  cuda_on_cpu::make_context();
  const cudaError_t error = allocate(memory, bytes);
  if (error != cudaSuccess) return error;
  auto& machine = cuda_on_cpu::machine();
  locked_blocks()[*memory] = bytes;
  machine.locked_bytes += bytes;
  if (machine.locked_bytes > machine.most_locked_bytes)
    machine.most_locked_bytes = machine.locked_bytes;
  return cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* memory) {
  RETURN_ORDERED_FAILURE();
  RETURN_IF_FORBIDDEN_BY_CAPTURE();
  const auto found = locked_blocks().find(memory);
  if (memory != nullptr && found == locked_blocks().end()) return remember(cudaErrorInvalidValue);
  if (memory != nullptr) {
    cuda_on_cpu::machine().locked_bytes -= found->second;
    locked_blocks().erase(found);
  }
  return cudaFree(memory);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t) {
  RETURN_ORDERED_FAILURE();
  cuda_on_cpu::make_context();
  if (bytes == 0) return cudaSuccess;
  if (to == nullptr || from == nullptr) return remember(cudaErrorInvalidValue);
  if (kind == cudaMemcpyHostToDevice) cuda_on_cpu::machine().uploads.push_back(bytes);
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* memory, int byte, std::size_t bytes, cudaStream_t) {
  if (bytes == 0) return cudaSuccess;
  if (memory == nullptr) return remember(cudaErrorInvalidValue);
  std::memset(memory, byte, bytes);
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  RETURN_ORDERED_FAILURE();
  const bool is_captured = stream != nullptr && stream->is_captured;
  *status = is_captured ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  RETURN_ORDERED_FAILURE();
  std::swap(cuda_on_cpu::current_capture_mode(), *mode);
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  RETURN_ORDERED_FAILURE();
  cuda_on_cpu::make_context();
  *event = new CUevent_st;
  (*event)->device = cuda_on_cpu::current_device();
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  RETURN_ORDERED_FAILURE();
  if (event == nullptr || event->device != cuda_on_cpu::current_device())
    return remember(cudaErrorInvalidResourceHandle);
  const char* late = std::getenv("CUDA_ON_CPU_LATE_EVENTS");
  event->queries_until_ready = late == nullptr ? 0 : std::atoi(late);
  event->is_awaited = cuda_on_cpu::machine().is_busy;
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  RETURN_ORDERED_FAILURE();
  RETURN_IF_FORBIDDEN_BY_CAPTURE();
  if (event == nullptr) return remember(cudaErrorInvalidResourceHandle);
  if (event->is_awaited && cuda_on_cpu::machine().is_busy) return cudaErrorNotReady;
  if (event->queries_until_ready == 0) return cudaSuccess;
  --event->queries_until_ready;
  return cudaErrorNotReady;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  RETURN_ORDERED_FAILURE();
  RETURN_IF_FORBIDDEN_BY_CAPTURE();
  if (event == nullptr) return remember(cudaErrorInvalidResourceHandle);
  ++cuda_on_cpu::machine().waits;
  event->queries_until_ready = 0;
  event->is_awaited = false;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  RETURN_ORDERED_FAILURE();
  delete event;
  return cudaSuccess;
}
