// The CPU backend: splits a request into bands of output rows and runs them on the thread pool.
#include "preprocess_cpu.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "perturb/perturb.h"
#include "perturb/perturbed_rows.h"
#include "resample/cpu_plan.h"
#include "resample/partial_resample.h"
#include "resample/resample_band.h"
#include "resample/stream_copy.h"
#include "runtime/thread_pool.h"

namespace vrs {
namespace {

struct Band {
  int run;
  int begin;  // kept output rows [begin, end)
  int end;
  std::int64_t cost;
};

// What the bands of one job share.
struct JobRun {
  PerturbedRows source;
  std::shared_ptr<const CpuPlan> plan;
  int job;
  OutputSet outputs;
};

// True if so little changes that a second output and a part of the resize cost less.
bool is_partial(const PerturbedRows& source) {
  const Region region = source.occluded();
  const std::int64_t height = std::max(region.bottom - region.top, 0);
  const std::int64_t width = std::max(region.right - region.left, 0);
  return 2 * height * width <= std::int64_t{source.height()} * source.width();
}

template <typename Value>
void fill_pixels(std::ptrdiff_t count, const std::array<Value, 3>& pixel, Value* out) {
  for (std::ptrdiff_t i = 0; i < count; ++i) std::copy_n(pixel.data(), 3, out + 3 * i);
}

// `count` times three planes of `plane` values, each of its channel's value.
template <typename Value>
void fill_channels(std::ptrdiff_t count, std::ptrdiff_t plane, const std::array<Value, 3>& channels,
                   bool streams, Value* out) {
  constexpr std::ptrdiff_t kSome = 1024;
  std::array<std::array<Value, kSome>, 3> values;
  for (int c = 0; c < 3; ++c) values[c].fill(channels[c]);
  for (std::ptrdiff_t i = 0; i < 3 * count; ++i) {
    for (std::ptrdiff_t at = 0; at < plane; at += kSome) {
      const std::ptrdiff_t some = std::min(kSome, plane - at);
      copy_bytes(out + i * plane + at, values[i % 3].data(), sizeof(Value) * some, streams);
    }
  }
}

void fill_planes(const Geometry& geometry, OutputType type,
                 const std::array<std::uint8_t, 3>& colour, bool streams, void* out) {
  const Blocks& blocks = geometry.blocks;
  const auto& tables = geometry.tables;
  const auto [red, green, blue] = colour;
  const std::ptrdiff_t image = std::ptrdiff_t{geometry.crop_height} * geometry.crop_width;
  if (type == OutputType::levels) {
    fill_pixels(image, colour, static_cast<std::uint8_t*>(out));
    return;
  }
  const std::array<float, 3> values = {tables[0].values[red], tables[1].values[green],
                                       tables[2].values[blue]};
  const std::array<std::uint16_t, 3> rounded = {tables[0].bfloat16[red], tables[1].bfloat16[green],
                                                tables[2].bfloat16[blue]};
  if (blocks.channels_last && type == OutputType::float32) {
    fill_pixels(image, values, static_cast<float*>(out));
    return;
  }
  if (blocks.channels_last) {
    fill_pixels(image, rounded, static_cast<std::uint16_t*>(out));
    return;
  }
  const bool is_cut = blocks.height != 0;
  const std::ptrdiff_t count = is_cut ? image / (std::ptrdiff_t{blocks.height} * blocks.width) : 1;
  const std::ptrdiff_t plane = image / count * (is_cut ? blocks.repeats : 1);
  if (type == OutputType::bfloat16) {
    fill_channels(count, plane, rounded, streams, static_cast<std::uint16_t*>(out));
  } else {
    fill_channels(count, plane, values, streams, static_cast<float*>(out));
  }
}

bool fills_crop(const ResamplePlan& plan, const Geometry& geometry) {
  return plan.rows.outputs == geometry.crop_height && plan.columns.outputs == geometry.crop_width;
}

// Writes a uniform image that stays uniform, which needs no resize. True if it was written.
bool write_uniform(const Request& request, const Job& job, const CpuPlan& plan, bool streams,
                   void* out) {
  const ImageView& image = request.images[job.image];
  const bool is_uniform = stays_uniform(plan.resample, request.geometry,
                                        {image.height, image.width}, job.perturbation.kind);
  if (!is_uniform || !fills_crop(plan.resample, request.geometry)) return false;
  fill_planes(request.geometry, request.output_type, colour_parameter(job.perturbation, 0), streams,
              out);
  return true;
}

// Makes enough bands for every thread to have two; if there are many jobs, a band is a whole job.
// The costly bands come first, so that no thread works on one alone at the end.
std::vector<Band> split_into_bands(const std::vector<JobRun>& runs, int threads) {
  constexpr int kMinRows = 32;  // fewer would mostly repeat the rows that neighbouring bands share
  const int jobs = static_cast<int>(runs.size());
  const int useful = std::min(threads, kMaxEdge);  // no job has more bands; twice any int overflows
  const int bands_per_job = threads == 1 ? 1 : (2 * useful + jobs - 1) / std::max(jobs, 1);
  std::vector<Band> bands;
  for (int j = 0; j < jobs; ++j) {
    const int rows = runs[j].plan->rows.outputs;
    const int count = std::clamp(bands_per_job, 1, std::max(rows / kMinRows, 1));
    const PerturbedRows& source = runs[j].source;
    const int cost_of_pixel =
        with_kind(source.kind(), [](auto kind) { return decltype(kind)::kCost; });
    const std::int64_t cost =
        std::int64_t{source.height()} * source.width() * cost_of_pixel / count;
    for (int b = 0; b < count; ++b) {
      bands.push_back({j, rows * b / count, rows * (b + 1) / count, cost});
    }
  }
  const auto costs_more = [](const Band& a, const Band& b) { return a.cost > b.cost; };
  std::stable_sort(bands.begin(), bands.end(), costs_more);
  return bands;
}

}  // namespace

void preprocess_cpu(const Request& request, const Options& options, void* out) {
  const Geometry& geometry = request.geometry;
  const ResampleKernels& kernels = resample_kernels_named(options.simd);
  const OutputType type = request.output_type;
  const std::size_t job_bytes = values_per_job(geometry) * bytes_per_value(type);
  const std::size_t job_step =
      request.job_stride == 0 ? job_bytes : request.job_stride * bytes_per_value(type);
  const bool streams = job_bytes * request.jobs.size() > options.streamed_bytes;
  auto* planes = static_cast<unsigned char*>(out);
  std::vector<JobRun> runs;
  std::vector<JobRun> occlusions;  // small ones, of images that another job shows unchanged
  const std::vector<int> identity_jobs = find_identity_jobs(request);
  std::vector<std::vector<std::ptrdiff_t>> occluded(request.jobs.size());  // outputs, by that job
  for (const Job& job : request.jobs) {
    PerturbedRows source(PerturbedImage(request.images[job.image], job.perturbation,
                                        perturb_kernels_for(options.simd)),
                         geometry);
    auto plan = find_cpu_plan(geometry, source.height(), source.width(), kernels);
    if (!write_uniform(request, job, *plan, streams, planes)) {
      if (!fills_crop(plan->resample, geometry)) fill_planes(geometry, type, {}, streams, planes);
      const int index = static_cast<int>(&job - request.jobs.data());
      const int identity_job = identity_jobs[job.image];
      const bool is_occlusion = source.kind() == PerturbationKind::occlusion;
      JobRun run{std::move(source), std::move(plan), index, {planes}};
      if (is_occlusion && identity_job >= 0 && is_partial(run.source)) {
        occluded[identity_job].push_back((index - identity_job) *
                                         static_cast<std::ptrdiff_t>(job_step));
        occlusions.push_back(std::move(run));
      } else {
        runs.push_back(std::move(run));
      }
    }
    planes += job_step;
  }
  for (JobRun& run : runs) run.outputs.others = std::move(occluded[run.job]);
  if (streams) finish_streams();
  const std::vector<Band> bands = split_into_bands(runs, options.threads);
  run_tasks(static_cast<int>(bands.size()), options.threads, [&](int index) {
    const Band& band = bands[index];
    const JobRun& run = runs[band.run];
    resample_band(*run.plan, run.source, geometry, type, streams, band.begin, band.end,
                  run.outputs);
  });
  run_tasks(static_cast<int>(occlusions.size()), options.threads, [&](int index) {
    const JobRun& run = occlusions[index];
    const CpuPlan part = restrict_plan(*run.plan, run.source.occluded());
    if (part.columns.outputs == 0 || part.rows.outputs == 0) return;
    resample_band(part, run.source, geometry, type, streams, 0, part.rows.outputs, run.outputs);
  });
}

}  // namespace vrs
