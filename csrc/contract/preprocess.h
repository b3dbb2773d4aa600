// The contract of the fused op: uint8 images and a list of jobs (image, perturbation) go in, one
// normalised float32 or bfloat16 pixel batch comes out; every backend gives the same bits.
//
// Each job computes: perturb -> pad to square -> resize -> centre crop -> look up -> CHW.
// The resize is antialiased, in fixed point, with uint8 between its two passes; `Arithmetic` says
// whose bits it gives. The crop is that of transformers' image processors: it pads an image that is
// too small with zeros. Instead of whole planes, the CPU backend can write an image as blocks, or
// the levels alone.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace vrs {

// One source image, borrowed: `height` rows of `width` pixels of `channels` bytes (3: RGB,
// 4: RGBX, the fourth ignored). Rows are `row_stride` bytes apart; pixels are contiguous.
// Only the CUDA backend takes pixels that lie in a device's memory.
struct ImageView {
  const std::uint8_t* pixels = nullptr;
  int height = 0;
  int width = 0;
  int channels = 3;
  std::int64_t row_stride = 0;
  bool is_on_device = false;
};

struct Size {
  int height = 0;
  int width = 0;
};

// Rows [top, bottom) and columns [left, right).
struct Region {
  int top = 0;
  int left = 0;
  int bottom = 0;
  int right = 0;
};

// The longest edge accepted: every index fits 32 bits, and the coefficients stay far from overflow.
constexpr int kMaxEdge = 1 << 16;

// Defined, with their parameters, in perturb.h.
enum class PerturbationKind {
  identity,
  blank,
  brightness,
  contrast,
  gamma,
  gaussian_noise,
  impulse_noise,
  shot_noise,
  speckle_noise,
  gaussian_blur,
  low_pass,
  pixelate,
  patch_shuffle,
  occlusion,
  flip_horizontal,
  flip_vertical,
  rotate_90,
  rotate_180,
  rotate_270,
};

constexpr int kMaxPerturbationParameters = 8;

// A change of one image's pixels. Random kinds draw from `key` alone, so the bits do not depend on
// batch, order, thread count or backend.
struct Perturbation {
  PerturbationKind kind = PerturbationKind::identity;
  std::array<double, kMaxPerturbationParameters> parameters{};
  std::array<std::uint64_t, 2> key{};  // low word, high word
};

// Throws std::invalid_argument, which lists the known names, if `name` is none of them.
PerturbationKind perturbation_kind_from_name(std::string_view name);

// How many parameters the definition of `kind` takes.
int parameter_count(PerturbationKind kind);

struct Job {
  int image = 0;  // index into Request::images
  Perturbation perturbation;
};

enum class ResizeMode {
  none,           // keep the size
  exact,          // to resize_height x resize_width
  shortest_edge,  // shorter edge to resize_height = s, the longer one to int(s * long / short)
};

enum class Filter { bilinear, bicubic, lanczos };

// Which pass of the resize runs first, by Pillow's version.
enum class PassOrder {
  horizontal_first,  // before 12.2
  pillow12_2,  // 12.2 and 12.3: vertical first if taller than 100 times the width and shrinking
  pillow13,    // vertical first if the height shrinks by over twice what the width does
};

// The library whose bits the resize and the crop give.
enum class Arithmetic {
  pillow,  // Pillow's Resample.c: 22-bit coefficients, passes in PassOrder. Crop: an odd margin
           // is larger before the image (transformers' image_transforms.center_crop)
  torchvision,  // torch's antialiased resize of uint8 on a CPU: int16 coefficients with as many
                // bits as the axis' largest allows, horizontal first. Crop: larger after the image
};

// Where the resized image and the crop's window meet.
enum class Placement {
  centre,      // an odd margin is as Arithmetic says
  upper_left,  // in the middle, an odd margin is larger after the image
  corner,      // the first row and column of both are the same
};

// The formula of a channel's values: (level / divisor - mean) / std, each step rounded to float32.
struct Normalisation {
  float divisor = 1;
  float mean = 0;
  float std = 1;
};

// One channel's output value for each uint8 level. If `is_arithmetic`, the kernels may compute the
// values from `normalisation` (pixel_ops.h) instead of looking them up: the bits are the same.
struct LevelTable {
  std::array<float, 256> values{};
  Normalisation normalisation;
  bool is_arithmetic = false;
  std::array<std::uint16_t, 256> bfloat16{};  // the values' nearest bfloat16, as bits
};

// `values`: 256 floats. Compares all of them with `normalisation`.
LevelTable make_level_table(const float* values, const Normalisation& normalisation);

// The output of an image as blocks of height x width pixels, which fill the crop. Squares of merge
// x merge neighbouring blocks stand together. The order of the values: [square's row][square's
// column][block's row][block's column][channel][repeat][row][column], and without repeats
// ... [block's column][row][column][channel] if channels_last.
struct Blocks {
  int height = 0;  // 0: no blocks, whole planes
  int width = 0;
  int merge = 1;
  int repeats = 1;             // each channel of a block stands there so many times
  bool channels_last = false;  // only without repeats
};

struct Geometry {
  bool pad_to_square = false;  // before the resize, image centred, `pad_colour` around it
  std::array<std::uint8_t, 3> pad_colour{};
  ResizeMode resize = ResizeMode::shortest_edge;
  int resize_height = 0;
  int resize_width = 0;  // unused by shortest_edge
  int crop_height = 0;   // the output's size, by centre crop or zero padding
  int crop_width = 0;
  Filter filter = Filter::bicubic;
  Arithmetic arithmetic = Arithmetic::pillow;
  PassOrder pass_order = PassOrder::pillow13;  // of Arithmetic::pillow
  Placement placement = Placement::centre;
  std::array<LevelTable, 3> tables{};
  Blocks blocks;  // of the CPU backend alone
};

enum class OutputType {
  float32,
  bfloat16,  // the float32 value rounded to nearest, ties to even
  levels,    // uint8, rows of packed RGB, before the tables; without blocks
};

struct Request {
  std::vector<ImageView> images;
  std::vector<Job> jobs;
  Geometry geometry;
  OutputType output_type = OutputType::float32;
  // From one job's output to the next, in values, of the CPU backend; 0: they follow each other.
  std::int64_t job_stride = 0;
};

// How many values one job writes.
std::int64_t values_per_job(const Geometry& geometry);

std::size_t bytes_per_value(OutputType type);

// For each image the last job that shows it as it is, or -1. Occlusions share that job's work.
std::vector<int> find_identity_jobs(const Request& request);

struct Options {
  int threads = 1;            // at most this many work on the request, the caller included
  std::string simd = "auto";  // or a name of simd_names(): the results are the same
  // Of a larger output, planes and blocks of channels are written past the caches, on processors
  // with SSE2: a line need not be read before it is written. About the size of a last cache, which
  // would not hold what was written first until the end.
  std::size_t streamed_bytes = std::size_t{16} << 20;
};

// Throws std::invalid_argument, which names the field, if the contract forbids the request.
void check_request(const Request& request);

// Writes values_per_job() values of `output_type` a job to `out`, 3 x crop_height x crop_width,
// blocks, or crop_height x crop_width x 3 levels, in the order of the jobs. Checks the request and
// the options first.
void preprocess(const Request& request, const Options& options, void* out);

// A device, and the stream, memory and threads to use.
struct CudaTarget {
  int device = 0;
  // A cudaStream_t: work is queued there. Nothing waits for it, unless it is so far behind that 512
  // MiB of the host's memory are locked for what it has not read.
  void* stream = nullptr;
  // Gives that many bytes of the device's memory, aligned to kDeviceAlignment. They must stay valid
  // until the stream has finished this call's work. Called once.
  std::function<void*(std::size_t)> allocate;
  int threads = 1;  // at most this many copy pixels to page-locked memory, the caller included
};

// Everything in a device's memory is aligned to this many bytes, the width of the widest load.
constexpr std::size_t kDeviceAlignment = 16;

// As preprocess(), by the CUDA backend: `out` lies in the device's memory; images lie there or on
// the host. Each image of the host is uploaded once. While the stream is captured into a graph,
// images must lie on the device, and each captured call keeps the memory of its tables forever.
// Throws std::runtime_error with CUDA's message, or if this build has no CUDA backend.
void preprocess_on_device(const Request& request, const CudaTarget& target, void* out);

// Throws std::invalid_argument, whose message starts with `name`, if a parameter is not allowed.
void check_perturbation(const Perturbation& perturbation, const std::string& name);

// The size of the perturbed image: the image's own, its edges exchanged by a quarter turn.
Size perturbed_size(const ImageView& image, PerturbationKind kind);

// Writes the perturbed image to `out` as packed RGB: what preprocess() resizes, for those who need
// the pixels themselves. Checks its arguments first.
void perturb(const ImageView& image, const Perturbation& perturbation, std::uint8_t* out);

// Names of the backends in this build: {"cpu"} or {"cpu", "cuda"}.
std::vector<std::string> backend_names();

// How many devices the CUDA backend could use; if there is none, `reason` says why.
int count_devices(std::string& reason);

// The instruction sets of the CPU backend that this processor can run, the fastest first.
std::vector<std::string> simd_names();

}  // namespace vrs
