// What the backend does on a machine that fails, is busy, has several devices or captures a graph:
// `hazards NAME` ends with 0 where all is well, and says what is not.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "contract/preprocess.h"
#include "cuda/cuda_check.h"
#include "cuda/pinned_memory.h"
#include "cuda/upload_pieces.h"
#include "machine.h"
#include "perturb/perturb.h"

namespace {

using cuda_on_cpu::fail_next;
using cuda_on_cpu::machine;

bool all_right = true;

void expect(bool right, const std::string& what) {
  if (!right) std::printf("wrong: %s\n", what.c_str());
  all_right = all_right && right;
}

// A request, its memory on the device and what the CPU makes of it.
class Example {
 public:
  // `count` images of this size on the host or the device, each as it is.
  Example(int count, int height, int width, bool is_on_device) {
    for (int i = 0; i < count; ++i) {
      auto& pixels = pixels_.emplace_back(std::size_t{3} * height * width);
      for (std::size_t k = 0; k < pixels.size(); ++k)
        pixels[k] = static_cast<std::uint8_t>(k * (i + 3) >> 3);
      request.images.push_back({pixels.data(), height, width, 3, 3 * width, is_on_device});
      request.jobs.push_back({i, {}});
    }
    vrs::Geometry& geometry = request.geometry;
    geometry.resize_height = geometry.crop_height = geometry.crop_width = 16;
    float values[256];
    for (int level = 0; level < 256; ++level) values[level] = static_cast<float>(level);
    geometry.tables.fill(vrs::make_level_table(values, {}));
  }

  // Every kind, in the middle of what its parameters may be.
  void add_every_kind() {
    for (const auto& definition : vrs::kPerturbations) {
      vrs::Job job;
      job.perturbation.kind = definition.kind;
      for (int i = 0; i < definition.parameter_count; ++i) {
        const auto& parameter = definition.parameters[i];
        job.perturbation.parameters[i] = static_cast<int>((parameter.low + parameter.high) / 2) + 1;
        if (parameter.high <= 1) job.perturbation.parameters[i] = i < 2 ? 0.25 : 0.75;
      }
      request.jobs.push_back(job);
    }
  }

  void run() {
    const std::size_t values = vrs::values_per_job(request.geometry) * request.jobs.size();
    batch_.assign(request.output_type == vrs::OutputType::bfloat16 ? (values + 1) / 2 : values, -1);
    target.allocate = [this](std::size_t bytes) {
      memory_.assign(bytes, 0xCD);
      return memory_.data();
    };
    vrs::preprocess_on_device(request, target, batch_.data());
  }

  // Runs it and compares; tells what was thrown, "" if nothing.
  std::string message_of_run() {
    try {
      run();
    } catch (const std::exception& error) {
      return error.what();
    }
    vrs::Request on_cpu = request;
    for (vrs::ImageView& image : on_cpu.images) image.is_on_device = false;
    std::vector<float> expected(batch_.size(), -1);  // room for either type
    vrs::preprocess(on_cpu, {1, "portable"}, expected.data());
    const bool is_equal = std::memcmp(expected.data(), batch_.data(), 4 * batch_.size()) == 0;
    return is_equal ? "" : "other bits than the CPU's";
  }

  vrs::Request request;
  vrs::CudaTarget target;

 private:
  std::vector<std::vector<std::uint8_t>> pixels_;
  std::vector<std::uint8_t> memory_;
  std::vector<float> batch_;
};

void expect_success(Example& example, const std::string& when) {
  const std::string message = example.message_of_run();
  expect(message.empty(), when + ": " + message);
}

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

constexpr std::size_t kMegabyte = std::size_t{1} << 20;

// Images of the host go to the device while others are still copied to locked memory, of which
// little is needed then.
void check_uploads() {
  Example small(5, 40, 50, false);
  expect_success(small, "small images");
  expect(machine().uploads.size() == 1, "small images are one transfer");

  machine().uploads.clear();
  Example large(3, 3001, 1401, false);
  large.target.threads = 2;
  expect_success(large, "large images");
  std::size_t sum = 0, most = 0;
  for (const std::size_t bytes : machine().uploads) {
    sum += bytes;
    most = std::max(most, bytes);
  }
  expect(machine().uploads.size() >= 5, "large images are several transfers");
  expect(sum >= 3 * std::size_t{3} * 3001 * 1401 && sum < 37 * kMegabyte,
         "all is transferred once");
  expect(most <= 8 * kMegabyte, "no transfer is large");
  expect(machine().most_locked_bytes <= 24 * kMegabyte, "locked memory is used again");
}

// Pieces hold every row once, in order and without gaps, and are no larger than they must be.
void check_pieces() {
  std::mt19937 engine(1);
  const auto draw = [&](int most) { return std::size_t{1} + engine() % most; };
  for (int i = 0; i < 2000; ++i) {
    const std::size_t table_bytes = draw(100), most_bytes = draw(300);
    std::vector<vrs::ImageView> images(draw(4));
    std::vector<vrs::PixelCopy> copies;
    std::size_t offset = table_bytes;
    for (vrs::ImageView& image : images) {
      image.height = static_cast<int>(draw(30));
      copies.push_back({&image, offset, draw(40)});
      offset += image.height * copies.back().pitch;
    }
    std::size_t reached = 0, copy = 0;
    int row = 0;
    for (const vrs::UploadPiece& piece : vrs::cut_upload(table_bytes, copies, most_bytes)) {
      expect(piece.begin == reached, "a piece begins where the one before ends");
      std::size_t filled = piece.begin == 0 ? table_bytes : 0;
      expect(filled > 0 || !piece.bands.empty(), "no piece is empty");
      const std::size_t need = filled > 0 ? filled : piece.bands[0].copy.pitch;
      for (const vrs::RowBand& band : piece.bands) {
        expect(band.copy.image == &images[copy] && band.begin == row && band.end > row,
               "every row");
        expect(band.offset == filled, "a band follows the one before");
        filled += (band.end - band.begin) * band.copy.pitch;
        row = band.end;
        if (row == images[copy].height) ++copy, row = 0;
      }
      expect(piece.bytes == filled && filled <= std::max(most_bytes, need),
             "a piece is as large as it may");
      reached += piece.bytes;
    }
    expect(reached == offset && copy == images.size(), "all images");
    if (!all_right) return;
  }
}

// Locked memory is bounded where the host is far ahead of the device, and afterwards.
void check_locked_memory() {
  machine().is_busy = true;
  Example example(2, 3001, 1401, false);  // 25 MB
  for (int i = 0; i < 30; ++i) example.run();
  expect(machine().most_locked_bytes > 400 * kMegabyte, "some calls do not wait for the device");
  expect(machine().most_locked_bytes <= 512 * kMegabyte, "what waits for the device is bounded");
  machine().is_busy = false;
  Example(1, 40, 50, false).run();
  expect(machine().locked_bytes <= 256 * kMegabyte, "what stays is bounded");
}

// The pool's own rules, by small limits.
void check_pool() {
  vrs::PinnedPool pool({64 << 10, 32 << 10});
  const auto lend = [&pool](std::size_t bytes) {
    return vrs::PinnedMemory(bytes, nullptr, pool).bytes();
  };
  lend(5 << 10);
  expect(machine().locked_bytes == 8 << 10, "whole pages");
  lend(8 << 10);
  expect(machine().locked_bytes == 8 << 10, "an idle block is lent again");
  lend(100 << 10);
  expect(machine().most_locked_bytes <= (100 << 10) + (4 << 10),
         "older blocks make room for a large one");
  expect(machine().locked_bytes == 0, "what is beyond the limit is freed when it is given back");

  machine().is_busy = true;
  std::uint8_t* const first = lend(30 << 10);
  lend(30 << 10);
  const int waits = machine().waits;
  expect(lend(20 << 10) == first, "the oldest block is lent again");
  expect(machine().waits == waits + 1, "when the device has read it");
  {
    const vrs::PinnedMemory one(30 << 10, nullptr, pool), other(30 << 10, nullptr, pool),
        third(9 << 10, nullptr, pool);
    expect(machine().locked_bytes > 64 << 10, "a block beyond the limit where all are lent");
  }
  machine().is_busy = false;
  lend(1);
  expect(machine().locked_bytes <= 32 << 10,
         "idle blocks beyond the limit are freed by a later call");

  // Blocks that were lost or not had do not count: there is room for two more.
  fail_next("cudaEventRecord", cudaErrorInvalidResourceHandle);
  lend(30 << 10);
  fail_next("cudaHostAlloc", cudaErrorMemoryAllocation);
  bool has_thrown = false;
  try {
    lend(60 << 10);
  } catch (const std::runtime_error&) {
    has_thrown = true;
  }
  expect(has_thrown, "a failure is thrown");
  machine().is_busy = true;
  std::uint8_t* const second = lend(30 << 10);
  expect(lend(30 << 10) != second, "room for two blocks");
  expect(lend(30 << 10) == second, "and no more");
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
    {"reasons", check_reasons}, {"grids", check_grids},     {"locked_memory", check_locked_memory},
    {"pool", check_pool},       {"pieces", check_pieces},   {"uploads", check_uploads},
    {"errors", check_errors},   {"capture", check_capture}, {"devices", check_devices},
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 2 || kChecks.count(arguments[1]) == 0) return 2;
  kChecks.at(arguments[1])();
  return all_right ? 0 : 1;
}
