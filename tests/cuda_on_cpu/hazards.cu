// What the backend does on a machine that fails, is busy, has several devices or captures a graph:
// `hazards NAME` ends with 0 where all is well, and says what is not.
#include <cstdlib>
#include <map>

#include "cuda/cuda_check.h"
#include "hazards.h"

namespace {

// CUDA keeps a failed call's error for this thread: neither a later call of ours nor other code of
// the process may take it for its own.
void check_errors() {
  fail_next("cudaFuncGetAttributes", cudaErrorNoKernelImageForDevice);
  expect(Example(1, 4, 4, true).message_of_run() ==
             "this build of vrs_lmeval has no code for this GPU: install it again with an nvcc "
             "that knows the GPU, and "
             "without CMAKE_CUDA_ARCHITECTURES",
         "a build for other GPUs says so");

  Example example(1, 40, 50, false);
  fail_next("cudaHostAlloc", cudaErrorMemoryAllocation);
  const std::string message = example.message_of_run();
  expect(message ==
             "CUDA could not lock memory of the host: out of memory (cudaErrorMemoryAllocation)",
         message);
  expect(cudaPeekAtLastError() == cudaSuccess, "an error that was thrown is not kept");
  expect_success(example, "after a failure");

  cuda_on_cpu::remember(cudaErrorInvalidValue);
  expect_success(example, "after an error of other code");

  for (const char* call :
       {"cudaGetDeviceCount", "cudaGetDevice", "cudaSetDevice", "cudaStreamIsCapturing",
        "cudaThreadExchangeStreamCaptureMode", "cudaHostAlloc", "cudaEventCreateWithFlags",
        "cudaMemcpyAsync", "launch", "cudaEventRecord", "cudaEventQuery", "cudaEventDestroy",
        "cudaFreeHost"}) {
    cudaGetLastError();
    fail_next(call, cudaErrorInvalidResourceHandle);
    for (int i = 0; i < 2; ++i) example.message_of_run();
    cuda_on_cpu::forget_failures();
    expect(cudaPeekAtLastError() == cudaSuccess,
           std::string(call) + " fails: its error is not kept");
    expect_success(example, std::string("after a failure of ") + call);
  }
}

int current_device() {
  int device = -1;
  cudaGetDevice(&device);
  return device;
}

// Since CUDA 12 choosing a device makes a context there, on which nobody may have counted: each
// process of a node would take memory of device 0.
void check_devices() {
  machine().devices = 3;
  machine().contexts = 0b010;  // as torch has made one where its memory is
  Example example(1, 40, 50, false);
  example.target.device = 1;
  expect_success(example, "on device 1");
  expect(machine().contexts == 0b010, "a device that nothing uses stays as it is");

  machine().contexts |= 0b100;
  cudaSetDevice(2);
  expect_success(example, "on device 1, where 2 is current");
  expect(current_device() == 2, "a device that is in use is current again");
  example.target.device = 2;
  fail_next("cudaSetDevice", cudaErrorInvalidDevice);
  expect_success(example, "on the current device, which is not chosen again");
  expect(machine().contexts == 0b110, "device 0 is still unused");
}

// A kernel is loaded when it is first launched, which cannot be while its stream is captured. Nor
// can memory be allocated then, by this thread or another, unless its capture mode is relaxed.
void check_capture() {
  for (const auto type : {vrs::OutputType::float32, vrs::OutputType::bfloat16}) {
    Example example(1, 40, 50, true);
    example.add_every_kind();
    example.request.output_type = type;
    CUstream_st stream{true};
    example.target.stream = &stream;
    machine().captured_streams = 1;
    expect_success(example, "the first call of a process is captured");
    const std::size_t kept = machine().locked_bytes;
    expect(kept > 0, "the graph reads tables in locked memory");
    expect_success(example, "a second capture");
    expect(machine().locked_bytes > kept, "each captured call has locked memory of its own");
    stream.is_captured = false;
    expect_success(example, "a call while another stream is captured");
    machine().captured_streams = 0;
  }
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  cudaThreadExchangeStreamCaptureMode(&mode);
  expect(mode == cudaStreamCaptureModeGlobal, "the thread's capture mode is as it was");
}

std::uint64_t count_blocks() {
  std::uint64_t blocks = 0;
  for (const dim3& grid : machine().grids) blocks += std::uint64_t{grid.x} * grid.y;
  return blocks;
}

// Jobs of different sizes share launches, but a small one has no blocks for the largest one's rows
// and another one's columns.
void check_grids() {
  Example tall(1, 1200, 2, true), wide(1, 2, 1200, true), small(1, 3, 3, true);
  std::uint64_t alone = 0;
  std::size_t launches = 0;
  for (Example* each : {&tall, &wide, &small}) {
    each->add_every_kind();
    machine().grids.clear();
    expect_success(*each, "one image");
    alone += count_blocks();
    launches = machine().grids.size();
  }
  Example both(0, 1, 1, true);
  for (int i = 0; i < 12; ++i) {  // in an order that mixes them
    const int size = i % 3;
    const Example& each = size == 0 ? tall : size == 1 ? wide : small;
    both.request.images.push_back(each.request.images[0]);
    for (vrs::Job job : each.request.jobs) {
      job.image = i;
      both.request.jobs.push_back(job);
    }
  }
  machine().grids.clear();
  expect_success(both, "twelve images");
  expect(count_blocks() <= 2 * 4 * alone, "at most as many blocks without work as with it");
  expect(machine().grids.size() <= 3 * launches, "jobs of a size share a launch");
}

// Why there is no device, in words that say what to do.
void check_reasons() {
  const auto expect_reason = [](const std::string& wanted) {
    std::string reason;
    const int devices = vrs::count_devices(reason);
    expect(devices == 0 && reason == wanted, "'" + reason + "', not '" + wanted + "'");
    expect(cudaPeekAtLastError() == cudaSuccess, "the error is not kept");
  };
  machine().driver_version = 0;
  expect_reason("no NVIDIA driver, or none that this process can reach");
  expect(Example(1, 4, 4, false).message_of_run() ==
             "device: no CUDA device 0 among 0 (no NVIDIA driver, or none that this process can "
             "reach)",
         "the op says it too");
  machine().driver_version = 12040;
  expect_reason(
      "the NVIDIA driver goes up to CUDA 12.4, this build needs CUDA 13.0: update the driver, or "
      "install "
      "vrs_lmeval again with the nvcc of CUDA 12 on PATH");
  machine().driver_version = 13010;
  machine().devices = 0;
  unsetenv("CUDA_VISIBLE_DEVICES");
  expect_reason("no CUDA-capable device is detected");
  setenv("CUDA_VISIBLE_DEVICES", "", 1);
  expect_reason("no CUDA-capable device is detected; CUDA_VISIBLE_DEVICES is ''");
  fail_next("cudaGetDeviceCount", cudaErrorInitializationError);
  expect_reason(
      "initialization error: CUDA was used before this process was forked; start processes by "
      "'spawn'");
}

const std::map<std::string, void (*)()> kChecks = {
    {"errors", check_errors},   {"devices", check_devices},
    {"capture", check_capture}, {"uploads", check_uploads},
    {"pieces", check_pieces},   {"locked_memory", check_locked_memory},
    {"pool", check_pool},       {"pool_by_threads", check_pool_by_threads},
    {"grids", check_grids},     {"reasons", check_reasons},
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 2 || kChecks.count(arguments[1]) == 0) return 2;
  kChecks.at(arguments[1])();
  return all_right ? 0 : 1;
}
