// Arbitrary bytes -> calls of the op's entry points, under the sanitizers: the contract holds, or
// the program ends. A fuzzer's target, for libFuzzer or for the driver beside it
// (mutate_inputs.cpp).
//
// What must hold of any request:
// - preprocess() refuses it by std::invalid_argument if and only if check_request() or its options
// say so;
// - it writes its own output alone, and the same bits with each instruction set and number of
// threads, through the caches and past them;
// - a job's output is that of the job alone, and that of the identity on what perturb() gives.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "contract/preprocess.h"
#include "drawn_request.h"
#include "input_bytes.h"
#include "runtime/batch_memory.h"

namespace {

constexpr std::int64_t kMostValues = 1 << 18;  // of one job: an allowed request may ask for 12 GB
constexpr std::uint8_t kUntouched = 0xAB;

long long calls = 0;

void print_calls() {
  std::fprintf(stderr, "%lld calls of the extension\n", calls);
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "fuzz_preprocess: %s\n", what);
  std::abort();
}

std::size_t bytes_of_value(const vrs::Request& request) {
  return request.output_type == vrs::OutputType::bfloat16 ? 2 : 4;
}

std::int64_t stride_of(const vrs::Request& request) {
  const std::int64_t values = vrs::values_per_job(request.geometry);
  return request.job_stride == 0 ? values : request.job_stride;
}

// The memory that the contract gives the op, to the byte.
std::vector<std::uint8_t> make_output(const vrs::Request& request) {
  const std::int64_t values = vrs::values_per_job(request.geometry);
  const auto jobs = static_cast<std::int64_t>(request.jobs.size());
  const std::int64_t all = (jobs - 1) * stride_of(request) + values;
  return std::vector<std::uint8_t>(static_cast<std::size_t>(all) * bytes_of_value(request),
                                   kUntouched);
}

std::vector<std::uint8_t> run(const vrs::Request& request, const vrs::Options& options) {
  std::vector<std::uint8_t> out = make_output(request);
  vrs::preprocess(request, options, out.data());
  ++calls;
  return out;
}

const std::uint8_t* output_of(const std::vector<std::uint8_t>& out, const vrs::Request& request,
                              std::size_t job) {
  return out.data() + job * stride_of(request) * bytes_of_value(request);
}

bool is_refused(const vrs::Request& request) {
  ++calls;
  try {
    vrs::check_request(request);
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

bool is_known_simd(const std::string& simd) {
  if (simd == "auto") return true;
  for (const std::string& name : vrs::simd_names()) {
    if (simd == name) return true;
  }
  return false;
}

bool is_refused_by_preprocess(const fuzz::DrawnRequest& drawn) {
  const vrs::Request& request = drawn.request;
  for (const vrs::ImageView& image : request.images) {
    if (image.is_on_device) return true;
  }
  const bool has_stride =
      request.job_stride == 0 || request.job_stride >= vrs::values_per_job(request.geometry);
  return drawn.options.threads < 1 || !is_known_simd(drawn.options.simd) || !has_stride;
}

// Nothing may be written, and nothing but std::invalid_argument thrown.
void expect_refusal(const fuzz::DrawnRequest& drawn) {
  ++calls;
  std::uint8_t nothing = kUntouched;
  try {
    vrs::preprocess(drawn.request, drawn.options, &nothing);
  } catch (const std::invalid_argument&) {
    if (nothing != kUntouched) fail("a refused request was written");
    return;
  }
  fail("a request that the contract forbids was taken");
}

void check_gaps(const std::vector<std::uint8_t>& out, const vrs::Request& request) {
  const std::size_t job_bytes =
      static_cast<std::size_t>(vrs::values_per_job(request.geometry)) * bytes_of_value(request);
  for (std::size_t j = 0; j + 1 < request.jobs.size(); ++j) {
    const std::uint8_t* end = output_of(out, request, j + 1);
    for (const std::uint8_t* gap = output_of(out, request, j) + job_bytes; gap < end; ++gap) {
      if (*gap != kUntouched) fail("values between the outputs of two jobs were written");
    }
  }
}

// Pixels of a device's memory are no addresses here.
void expect_no_device_image(const vrs::ImageView& image) {
  std::uint8_t nothing = kUntouched;
  ++calls;
  try {
    vrs::perturb(image, {}, &nothing);
  } catch (const std::invalid_argument&) {
    return;
  }
  fail("perturb() took an image of a device");
}

// The job alone, and the identity on its perturbed image: both give the job's part of the batch.
void check_job(const vrs::Request& request, std::size_t index, const std::uint8_t* expected) {
  const vrs::Job& job = request.jobs[index];
  const vrs::ImageView& image = request.images[job.image];
  vrs::Request alone = request;
  alone.job_stride = 0;
  alone.images = {image};
  alone.jobs = {{0, job.perturbation}};
  const std::vector<std::uint8_t> out = run(alone, {1, "auto"});
  if (std::memcmp(out.data(), expected, out.size()) != 0) fail("a job alone differs");

  const vrs::Size size = vrs::perturbed_size(image, job.perturbation.kind);
  std::vector<std::uint8_t> perturbed(std::size_t{3} * size.height * size.width);
  vrs::perturb(image, job.perturbation, perturbed.data());
  ++calls;
  alone.images = {
      {perturbed.data(), size.height, size.width, 3, std::int64_t{3} * size.width, false}};
  alone.jobs = {{0, {}}};
  if (is_refused(alone)) return;  // a quarter turn may leave an image too elongated
  if (run(alone, {1, "auto"}) != out) fail("what perturb() gives is not what is resized");
}

void check_batch_memory(fuzz::InputBytes& bytes) {
  const auto size = std::size_t{64} * bytes.whole(1, 255);
  void* memory = vrs::take_batch_memory(size);
  std::memset(memory, kUntouched, size);
  vrs::give_batch_memory_back(memory, size);
  ++calls;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int kPrinted = std::atexit(print_calls);
  static_cast<void>(kPrinted);
  fuzz::InputBytes bytes(data, size);
  const fuzz::DrawnRequest drawn = fuzz::draw_request(bytes);
  const vrs::Request& request = drawn.request;
  if (is_refused(request) || is_refused_by_preprocess(drawn)) {
    expect_refusal(drawn);
    for (const vrs::ImageView& image : request.images) {
      if (image.is_on_device) expect_no_device_image(image);
    }
    return 0;
  }
  if (vrs::values_per_job(request.geometry) > kMostValues) return 0;
  const std::vector<std::uint8_t> out = run(request, drawn.options);
  if (out != run(request, {1, "portable"}) ||
      out != run(request, {drawn.options.threads, "auto", 0})) {
    fail("instruction sets, numbers of threads or ways to write differ");
  }
  check_gaps(out, request);
  const std::size_t job = static_cast<std::size_t>(bytes.byte()) % request.jobs.size();
  check_job(request, job, output_of(out, request, job));
  check_batch_memory(bytes);
  return 0;
}
