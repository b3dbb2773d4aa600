// Checks a request against the contract and hands it to a backend.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <sstream>
#include <stdexcept>

#include "contract/preprocess.h"
#include "perturb/perturb.h"
#include "preprocess_cpu.h"
#include "resample/resample_kernels.h"
#ifdef VRS_HAVE_CUDA
#include "cuda/preprocess_cuda.h"
#endif

namespace vrs {
namespace {

[[noreturn]] void reject(const std::string& what) {
  throw std::invalid_argument(what);
}

std::string indexed(const char* name, std::size_t index) {
  return std::string(name) + "[" + std::to_string(index) + "]";
}

bool is_edge(int edge) {
  return edge >= 1 && edge <= kMaxEdge;
}

void check_image(const ImageView& image, const std::string& name) {
  if (image.pixels == nullptr) reject(name + ": no pixels");
  if (!is_edge(image.height) || !is_edge(image.width)) {
    reject(name + ": height and width must be 1.." + std::to_string(kMaxEdge) + ", not " +
           std::to_string(image.height) + " x " + std::to_string(image.width));
  }
  if (image.channels != 3 && image.channels != 4) {
    reject(name + ": 3 (RGB) or 4 (RGBX) channels, not " + std::to_string(image.channels));
  }
}

void check_geometry(const Geometry& geometry) {
  if (!is_edge(geometry.crop_height) || !is_edge(geometry.crop_width)) {
    reject("geometry.crop: height and width must be 1.." + std::to_string(kMaxEdge));
  }
  const Blocks& blocks = geometry.blocks;
  if (blocks.height != 0) {
    const bool has_edges = is_edge(blocks.height) && is_edge(blocks.width) &&
                           is_edge(blocks.merge) && is_edge(blocks.repeats);
    if (!has_edges || geometry.crop_height % (std::int64_t{blocks.height} * blocks.merge) != 0 ||
        geometry.crop_width % (std::int64_t{blocks.width} * blocks.merge) != 0) {
      reject("geometry.blocks: whole squares of merged blocks must fill the crop");
    }
    if (blocks.channels_last && blocks.repeats != 1) {
      reject("geometry.blocks: channels stand last only in blocks without repeats");
    }
  }
  if (geometry.resize == ResizeMode::none) return;
  const bool has_width = geometry.resize == ResizeMode::exact;
  if (!is_edge(geometry.resize_height) || (has_width && !is_edge(geometry.resize_width))) {
    reject("geometry.size: edges must be 1.." + std::to_string(kMaxEdge));
  }
}

// With longer edges the resized image would not fit Pillow either. (Only its crop is computed.)
constexpr double kMaxResizedEdge = 1 << 24;

void check_resized_edge(const Geometry& geometry, const ImageView& image, std::size_t index) {
  if (geometry.resize != ResizeMode::shortest_edge || geometry.pad_to_square) return;
  const double longest = std::max(image.height, image.width);
  const double shortest = std::min(image.height, image.width);
  if (geometry.resize_height * longest / shortest > kMaxResizedEdge) {
    reject(indexed("images", index) + ": too elongated, its longer edge would be resized to over " +
           std::to_string(static_cast<int>(kMaxResizedEdge)));
  }
}

void check_options(const Options& options) {
  if (options.threads < 1) reject("threads: at least 1, not " + std::to_string(options.threads));
  std::string known = "auto";
  for (const std::string& name : simd_names()) known += ", " + name;
  if ((", " + known + ",").find(", " + options.simd + ",") == std::string::npos) {
    reject("simd: '" + options.simd + "' is not one of " + known);
  }
}

const PerturbationDefinition& definition_of(PerturbationKind kind) {
  const auto index = static_cast<std::size_t>(kind);
  if (index < kPerturbations.size()) return kPerturbations[index];
  reject("perturbation kind " + std::to_string(static_cast<int>(kind)) + " has no definition");
}

#ifndef VRS_HAVE_CUDA
constexpr char kNoCuda[] =
    "this build of vrs_lmeval has no CUDA backend: install it again where nvcc is found";
#endif

}  // namespace

PerturbationKind perturbation_kind_from_name(std::string_view name) {
  std::string known;
  for (const PerturbationDefinition& definition : kPerturbations) {
    if (name == definition.name) return definition.kind;
    known += known.empty() ? "" : ", ";
    known += definition.name;
  }
  reject("perturbation kind '" + std::string(name) + "' is unknown; known: " + known);
}

int parameter_count(PerturbationKind kind) {
  return definition_of(kind).parameter_count;
}

void check_perturbation(const Perturbation& perturbation, const std::string& name) {
  const PerturbationDefinition& definition = definition_of(perturbation.kind);
  for (int i = 0; i < definition.parameter_count; ++i) {
    const ParameterDefinition& parameter = definition.parameters[i];
    const double value = perturbation.parameters[i];
    const bool is_inside = value >= parameter.low && value <= parameter.high;
    if (is_inside && (!parameter.is_whole || value == std::floor(value))) continue;
    std::ostringstream message;
    message << name << ": " << definition.name << "." << parameter.name << " is a "
            << (parameter.is_whole ? "whole " : "") << "number in " << parameter.low << ".."
            << parameter.high << ", not " << value;
    reject(message.str());
  }
}

std::int64_t values_per_job(const Geometry& geometry) {
  const int repeats = geometry.blocks.height == 0 ? 1 : geometry.blocks.repeats;
  return std::int64_t{3} * geometry.crop_height * geometry.crop_width * repeats;
}

std::size_t bytes_per_value(OutputType type) {
  switch (type) {
    case OutputType::float32:
      return sizeof(float);
    case OutputType::bfloat16:
      return sizeof(std::uint16_t);
    case OutputType::levels:
      break;
  }
  return sizeof(std::uint8_t);
}

std::vector<int> find_identity_jobs(const Request& request) {
  std::vector<int> jobs(request.images.size(), -1);
  for (std::size_t j = 0; j < request.jobs.size(); ++j) {
    const Job& job = request.jobs[j];
    if (job.perturbation.kind == PerturbationKind::identity) {
      jobs[job.image] = static_cast<int>(j);
    }
  }
  return jobs;
}

void check_request(const Request& request) {
  if (request.images.empty()) reject("images: empty");
  if (request.jobs.empty()) reject("jobs: empty");
  check_geometry(request.geometry);
  for (std::size_t i = 0; i < request.images.size(); ++i) {
    check_image(request.images[i], indexed("images", i));
    check_resized_edge(request.geometry, request.images[i], i);
  }
  for (std::size_t j = 0; j < request.jobs.size(); ++j) {
    const Job& job = request.jobs[j];
    const std::string name = indexed("jobs", j);
    if (job.image < 0 || job.image >= static_cast<int>(request.images.size())) {
      reject(name + ".image: no image " + std::to_string(job.image));
    }
    check_perturbation(job.perturbation, name + ".perturbation");
  }
}

void preprocess(const Request& request, const Options& options, void* out) {
  check_request(request);
  for (std::size_t i = 0; i < request.images.size(); ++i) {
    if (request.images[i].is_on_device) reject(indexed("images", i) + ": not in the CPU's memory");
  }
  check_options(options);
  if (request.output_type == OutputType::levels && request.geometry.blocks.height != 0) {
    reject("geometry.blocks: levels are written as whole images");
  }
  if (request.job_stride != 0 && request.job_stride < values_per_job(request.geometry)) {
    reject("job_stride: shorter than a job's output");
  }
  preprocess_cpu(request, options, out);
}

void perturb(const ImageView& image, const Perturbation& perturbation, std::uint8_t* out) {
  check_image(image, "image");
  if (image.is_on_device) reject("image: not in the CPU's memory");
  check_perturbation(perturbation, "perturbation");
  const PerturbedImage perturbed(image, perturbation, perturb_kernels_for("auto"));
  const std::ptrdiff_t pitch = std::ptrdiff_t{3} * perturbed.width();
  constexpr int kRows = 16;  // neighbouring rows share some of the work
  for (int y = 0; y < perturbed.height(); y += kRows) {
    perturbed.write_rows(y, std::min(kRows, perturbed.height() - y), out + pitch * y, pitch);
  }
}

#ifdef VRS_HAVE_CUDA
void preprocess_on_device(const Request& request, const CudaTarget& target, void* out) {
  check_request(request);
  if (target.threads < 1) reject("threads: at least 1, not " + std::to_string(target.threads));
  if (request.job_stride != 0) {
    reject("job_stride: the CUDA backend writes one output after the other");
  }
  std::string reason;
  const int devices = count_devices(reason);
  if (target.device < 0 || target.device >= devices) {
    reject("device: no CUDA device " + std::to_string(target.device) + " among " +
           std::to_string(devices) + (devices == 0 ? " (" + reason + ")" : ""));
  }
  preprocess_cuda(request, target, out);
}

std::vector<std::string> backend_names() {
  return {"cpu", "cuda"};
}

int count_devices(std::string& reason) {
  return count_cuda_devices(reason);
}
#else
void preprocess_on_device(const Request&, const CudaTarget&, void*) {
  throw std::runtime_error(kNoCuda);
}

std::vector<std::string> backend_names() {
  return {"cpu"};
}

int count_devices(std::string& reason) {
  reason = kNoCuda;
  return 0;
}
#endif

std::vector<std::string> simd_names() {
  std::vector<std::string> names;
  for (const ResampleKernels* kernels : available_kernels()) names.emplace_back(kernels->name);
  return names;
}

}  // namespace vrs
