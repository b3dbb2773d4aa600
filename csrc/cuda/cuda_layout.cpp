// Lays out plans, tables, pixels and jobs in device memory: one pass measures, one pass writes.
#include "cuda_layout.h"

#include <algorithm>
#include <utility>

#include "perturb/low_pass.h"
#include "perturb/perturb.h"
#include "perturb/perturbed_rows.h"
#include "resample/resample_kernels.h"

namespace vrs {
namespace {

// `left`: the column at which the image begins, from where the kernel reads in runs of pixels.
PlannedResize plan_resize(const Geometry& geometry, const Size& size, int left) {
  // Of a CpuPlan only the coefficients are read here, which all instruction sets share.
  const auto plan =
      find_cpu_plan(geometry, size.height, size.width, resample_kernels_named("portable"));
  // The first pass reads words; vertical_first makes lines of columns.
  const bool is_turned = plan->resample.vertical_first;
  const SourceGrid row_grid{is_turned ? 4 : 1, 0};
  const SourceGrid column_grid{is_turned ? kRunPixels : 4, left};
  return {plan, find_fragments(plan, true, geometry.crop_height, row_grid),
          find_fragments(plan, false, geometry.crop_width, column_grid)};
}

std::array<std::uint8_t, 4> opaque(const std::array<std::uint8_t, 3>& colour) {
  return {colour[0], colour[1], colour[2], 0};
}

// The groups of an axis that read some of the sources [begin, end).
std::pair<int, int> find_readers(const AxisFragments& axis, int begin, int end) {
  const int groups = static_cast<int>(axis.begins.size());
  const auto reads = [&](int group) {
    return axis.begins[group] < end && axis.ends[group] > begin;
  };
  int first = 0, last = groups;
  while (first < groups && !reads(first)) ++first;
  while (last > first && !reads(last - 1)) --last;
  return {first, last};
}

// The tiles of an occlusion's output that may differ from those of the image as it is.
TileRange find_covered_tiles(const ResampleJob& job, const PlannedResize& resize) {
  const Region& region = job.perturbation.region;
  const auto rows = find_readers(*resize.rows, region.top + job.top, region.bottom + job.top);
  const auto columns =
      find_readers(*resize.columns, region.left + job.left, region.right + job.left);
  const auto& lines = job.vertical_first ? columns : rows;
  const auto& along = job.vertical_first ? rows : columns;
  return {lines.first, lines.second, along.first / kGroupsAlong * kGroupsAlong, along.second};
}

DeviceBlocks cut_blocks(const Geometry& geometry) {
  const Blocks& blocks = geometry.blocks;
  if (blocks.height == 0) return {};
  return {true,
          make_divisor(blocks.height),
          make_divisor(blocks.width),
          make_divisor(blocks.merge),
          geometry.crop_width / blocks.width / blocks.merge,
          blocks.repeats,
          blocks.channels_last};
}

}  // namespace

// What lies in device memory one after the other.
struct DeviceAreas {
  DeviceArea tables;  // and jobs
  DeviceArea pixels;  // of the host's images
  DeviceArea scratch;
};

// One pass over the jobs. It only measures if the tables have no memory of the host.
class WorkWriter final : public DeviceWriter {
 public:
  WorkWriter(WorkLayout& layout, DeviceAreas& areas, void* out)
      : DeviceWriter(layout.kept_),
        layout_(layout),
        tables_(areas.tables),
        pixels_(areas.pixels),
        scratch_(areas.scratch),
        out_(static_cast<std::uint8_t*>(out)) {}

  CudaWork write() {
    const Request& request = layout_.request_;
    write_values();
    const auto job_values = static_cast<std::size_t>(values_per_job(request.geometry));
    const std::size_t value_bytes = bytes_per_value(request.output_type);
    for (std::size_t j = 0; j < request.jobs.size(); ++j) {
      const std::uintptr_t out = reinterpret_cast<std::uintptr_t>(out_);
      write_job(request.jobs[j], layout_.jobs_[j],
                reinterpret_cast<void*>(out + j * job_values * value_bytes));
    }
    share_tiles();
    CudaWork work;
    work.contrasts = place_list(contrasts_, [](const ContrastJob& job) { return job.image; });
    work.cells = place_list(cells_, [](const CellJob& job) { return Size{job.rows, job.columns}; });
    work.near_blurs = place_list(near_blurs_, [](const BlurJob& job) { return job.image; });
    work.wide_blurs = place_list(wide_blurs_, [](const BlurJob& job) { return job.image; });
    const auto out_size = [](const ResampleJob& job) {
      return Size{job.out_height, job.out_width};
    };
    work.reductions = place_list(reductions_, out_size);
    work.enlargements = place_list(enlargements_, out_size);
    work.resamples = place_list(resamples_, out_size);
    return work;
  }

  // From the start of the pixels.
  std::vector<PixelCopy> pixel_copies() && { return std::move(pixel_copies_); }

 private:
  template <typename T>
  const T* place(const T* values, std::size_t count) {
    const auto [host, device] = tables_.reserve<T>(count);
    if (host != nullptr) std::copy_n(values, count, host);
    return device;
  }

  const void* share_bytes(const void* values, std::size_t bytes) override {
    const auto found = shared_.find(values);
    if (found != shared_.end()) return found->second;
    const void* device = place(static_cast<const std::uint8_t*>(values), bytes);
    shared_[values] = device;
    return device;
  }

  template <typename Job, typename SizeOf>
  JobList<Job> place_list(std::vector<Job>& jobs, const SizeOf& size_of) {
    const auto pixels_of_job = [&](const Job& job) {
      return std::int64_t{size_of(job).height} * size_of(job).width;
    };
    std::stable_sort(jobs.begin(), jobs.end(), [&](const Job& a, const Job& b) {
      return pixels_of_job(a) > pixels_of_job(b);
    });
    JobList<Job> list;
    list.jobs = place(jobs.data(), jobs.size());
    for (const Job& job : jobs) list.sizes.push_back({size_of(job).height, size_of(job).width});
    return list;
  }

  void write_values() {
    const auto& tables = layout_.request_.geometry.tables;
    if (layout_.request_.output_type == OutputType::bfloat16) {
      std::array<std::uint16_t, 3 * 256> values;
      for (int i = 0; i < 3 * 256; ++i) values[i] = tables[i / 256].bfloat16[i % 256];
      values_ = place(values.data(), values.size());
    } else if (layout_.request_.output_type == OutputType::float32) {
      std::array<float, 3 * 256> values;
      for (int i = 0; i < 3 * 256; ++i) values[i] = tables[i / 256].values[i % 256];
      values_ = place(values.data(), values.size());
    }
  }

  DeviceAxis place_axis(const AxisPlan& plan, const AxisFragments& axis) {
    return {share(axis.fragments),
            share(axis.begins),
            share(axis.ends),
            static_cast<int>(axis.begins.size()),
            axis.steps,
            plan.outputs,
            plan.canvas_offset,
            plan.coefficient_bits,
            axis.pairs_fit};
  }

  // How the kernel reads pixels.
  static void describe_reading(ResampleJob& job) {
    const DeviceImage& image = job.image;
    const auto bits = reinterpret_cast<std::uintptr_t>(image.pixels) |
                      static_cast<std::uintptr_t>(image.row_stride);
    job.is_aligned = bits % wide_load_bytes(image.channels) == 0;
    job.reads_runs = with_kind(job.perturbation.kind, [](auto kind) {
      return decltype(kind)::kShowsImage && !decltype(kind)::kIsMoving;
    });
    job.changes_levels =
        with_kind(job.perturbation.kind, [](auto kind) { return decltype(kind)::kChangesLevels; });
  }

  // Both axes and their order.
  void place_plan(const PlannedResize& planned, ResampleJob& job) {
    const ResamplePlan& plan = planned.plan->resample;
    const DeviceAxis rows = place_axis(plan.rows, *planned.rows);
    const DeviceAxis columns = place_axis(plan.columns, *planned.columns);
    job.vertical_first = plan.vertical_first;
    job.along = plan.vertical_first ? rows : columns;
    job.lines = plan.vertical_first ? columns : rows;
    const int along_tiles = (job.along.groups + kGroupsAlong - 1) / kGroupsAlong;
    job.tiles_across = make_divisor(plan.vertical_first ? job.lines.groups : along_tiles);
  }

  DeviceImage place_image(int index) {
    const ImageView& image = layout_.request_.images[index];
    DeviceImage placed{image.pixels, image.row_stride, image.height, image.width, image.channels};
    if (image.is_on_device) return placed;
    const auto found = images_.find(index);
    if (found != images_.end()) return found->second;
    const std::size_t row_bytes = std::size_t{1} * image.width * image.channels;
    const std::size_t pitch =
        (row_bytes + kDeviceAlignment - 1) / kDeviceAlignment * kDeviceAlignment;
    pixel_copies_.push_back({&image, pixels_.bytes(), pitch});
    placed.pixels = pixels_.reserve<std::uint8_t>(pitch * image.height).second;
    placed.row_stride = static_cast<std::int64_t>(pitch);
    images_[index] = placed;
    return placed;
  }

  // Lets occlusions leave tiles to a job that shows the same image as it is.
  void share_tiles() {
    const Request& request = layout_.request_;
    const std::vector<int> identity_jobs = find_identity_jobs(request);
    std::vector<std::vector<OccludedOutput>> occlusions(resamples_.size());  // by identity's job
    for (std::size_t j = 0; j < request.jobs.size(); ++j) {
      ResampleJob& job = resamples_[j];
      const int identity_job = identity_jobs[request.jobs[j].image];
      if (job.perturbation.kind != PerturbationKind::occlusion || identity_job < 0) continue;
      job.leaves_tiles = true;
      job.own_tiles = find_covered_tiles(job, layout_.jobs_[j].resize);
      occlusions[identity_job].push_back({job.own_tiles, job.out});
    }
    for (std::size_t j = 0; j < occlusions.size(); ++j) {
      if (occlusions[j].empty()) continue;
      resamples_[j].occlusions = place(occlusions[j].data(), occlusions[j].size());
      resamples_[j].occlusion_count = static_cast<int>(occlusions[j].size());
    }
  }

  // Room for packed RGB pixels that a kernel writes.
  DeviceImage reserve_image(const Size& size) {
    const std::int64_t row_bytes = std::int64_t{3} * size.width;
    const auto [host, device] =
        scratch_.reserve<std::uint8_t>(static_cast<std::size_t>(row_bytes) * size.height);
    static_cast<void>(host);
    return {device, row_bytes, size.height, size.width, 3};
  }

  // The same for RGBX pixels, in runs of eight, which are read in wide loads.
  DeviceImage reserve_rgbx(const Size& size) {
    const std::int64_t row_bytes =
        std::int64_t{4} * ((size.width + kRunPixels - 1) / kRunPixels * kRunPixels);
    const auto [host, device] =
        scratch_.reserve<std::uint8_t>(static_cast<std::size_t>(row_bytes) * size.height);
    static_cast<void>(host);
    return {device, row_bytes, size.height, size.width, 4};
  }

  static std::uint8_t* pixels_of(const DeviceImage& scratch) {
    return const_cast<std::uint8_t*>(scratch.pixels);
  }

  DevicePerturbation& change() override { return job_->perturbation; }
  Size image_size() const override { return {job_->image.height, job_->image.width}; }
  void prepare_blur(const std::vector<std::uint16_t>& weights) override;
  void prepare_cells(int edge) override;
  void prepare_low_pass(int lines) override;
  void prepare_contrast(double factor) override;

  ResampleJob resize_job(const DeviceImage& source, const PlannedResize& plan,
                         const DeviceImage& target);
  void write_job(const Job& job, WorkLayout::PlannedJob& planned, void* out);

  WorkLayout& layout_;
  DeviceArea& tables_;
  DeviceArea& pixels_;
  DeviceArea& scratch_;
  std::uint8_t* out_;
  const void* values_ = nullptr;
  ResampleJob* job_ = nullptr;                 // the job that is being laid out
  WorkLayout::PlannedJob* planned_ = nullptr;  // the plan of the same job
  std::map<const void*, const void*> shared_;  // by address in the host's memory
  std::map<int, DeviceImage> images_;
  std::vector<PixelCopy> pixel_copies_;
  std::vector<ContrastJob> contrasts_;
  std::vector<CellJob> cells_;
  std::vector<BlurJob> near_blurs_, wide_blurs_;
  std::vector<ResampleJob> reductions_, enlargements_, resamples_;
};

void WorkWriter::prepare_blur(const std::vector<std::uint16_t>& weights) {
  const int reach = static_cast<int>(weights.size()) / 2;
  if (reach == 0) return;  // one weight, which is 1: the image stays as it is
  const bool is_near = reach <= kNearBlurReach;
  const auto fragments = pack_blur(weights, is_near ? kNearBlurReach : kWideBlurReach);
  const DeviceImage blurred = reserve_rgbx(image_size());
  const int tile_width = is_near ? kNearBlurWidth : kWideBlurWidth;
  (is_near ? near_blurs_ : wide_blurs_)
      .push_back({job_->image, place(fragments.data(), fragments.size()), pixels_of(blurred),
                  blurred.row_stride, make_divisor((blurred.width + tile_width - 1) / tile_width)});
  job_->image = blurred;
}

ResampleJob WorkWriter::resize_job(const DeviceImage& source, const PlannedResize& plan,
                                   const DeviceImage& target) {
  ResampleJob job{};
  job.image = source;
  job.height = source.height;
  job.width = source.width;
  describe_reading(job);
  place_plan(plan, job);
  job.out = pixels_of(target);
  job.out_height = target.height;
  job.out_width = target.width;
  return job;
}

void WorkWriter::prepare_low_pass(int lines) {
  const Size whole = image_size();
  if (planned_->reduction.plan == nullptr) {
    const Size reduced = reduced_size(whole, lines);
    planned_->reduction = plan_resize(lanczos_geometry(reduced), whole, 0);
    planned_->enlargement = plan_resize(lanczos_geometry(whole), reduced, 0);
  }
  const ResamplePlan& reduction = planned_->reduction.plan->resample;
  const DeviceImage reduced = reserve_image({reduction.height, reduction.width});
  const DeviceImage enlarged = reserve_image(whole);
  reductions_.push_back(resize_job(job_->image, planned_->reduction, reduced));
  enlargements_.push_back(resize_job(reduced, planned_->enlargement, enlarged));
  job_->image = enlarged;
}

void WorkWriter::prepare_cells(int edge) {
  const int rows = (job_->image.height + edge - 1) / edge;
  const int columns = (job_->image.width + edge - 1) / edge;
  const DeviceImage cells = reserve_image({rows, columns});
  cells_.push_back({job_->image, edge, rows, columns, pixels_of(cells)});
  job_->image = cells;
}

void WorkWriter::prepare_contrast(double factor) {
  constexpr unsigned long long kZeros[3] = {};
  const auto* sums = place(kZeros, 3);
  const auto [host, levels] = scratch_.reserve<std::uint8_t>(3 * 256);
  static_cast<void>(host);
  contrasts_.push_back({job_->image, factor, const_cast<unsigned long long*>(sums), levels});
  job_->perturbation.levels = levels;
}

void WorkWriter::write_job(const Job& job, WorkLayout::PlannedJob& planned, void* out) {
  const Geometry& geometry = layout_.request_.geometry;
  const ImageView& image = layout_.request_.images[job.image];
  const PerturbationKind kind = job.perturbation.kind;
  const Size size = perturbed_size(image, kind);
  const Padding padding = pad_image(geometry, size);
  ResampleJob resample{};
  if (with_kind(kind, [](auto each) { return decltype(each)::kShowsImage; })) {
    resample.image = place_image(job.image);
  } else {
    resample.image = {nullptr, 0, image.height, image.width, 3};
  }
  resample.perturbation.kind = kind;
  resample.perturbation.key = job.perturbation.key;
  job_ = &resample;
  planned_ = &planned;
  with_kind(kind, [&](auto each) { decltype(each)::lay_out(job.perturbation, *this); });
  describe_reading(resample);
  resample.height = size.height;
  resample.width = size.width;
  resample.top = padding.top;
  resample.left = padding.left;
  resample.background = opaque(geometry.pad_colour);
  place_plan(planned.resize, resample);
  resample.is_uniform = stays_uniform(planned.resize.plan->resample, geometry, size, kind);
  resample.values = values_;
  resample.out = out;
  resample.out_height = geometry.crop_height;
  resample.out_width = geometry.crop_width;
  resample.blocks = cut_blocks(geometry);
  resamples_.push_back(resample);
}

WorkLayout::WorkLayout(const Request& request) : request_(request) {
  for (const Job& job : request.jobs) {
    jobs_.push_back(plan_job(job));
  }
  DeviceAreas areas{{nullptr, 0}, {nullptr, 0}, {nullptr, 0}};
  WorkWriter writer(*this, areas, nullptr);
  writer.write();
  table_bytes_ = areas.tables.bytes();
  uploaded_bytes_ = table_bytes_ + areas.pixels.bytes();
  scratch_bytes_ = areas.scratch.bytes();
  std::vector<PixelCopy> copies = std::move(writer).pixel_copies();
  for (PixelCopy& copy : copies) copy.offset += table_bytes_;
  upload_ = cut_upload(table_bytes_, copies);
}

WorkLayout::PlannedJob WorkLayout::plan_job(const Job& job) const {
  const ImageView& image = request_.images[job.image];
  const Padding padding =
      pad_image(request_.geometry, perturbed_size(image, job.perturbation.kind));
  PlannedJob planned;
  planned.resize = plan_resize(request_.geometry, {padding.height, padding.width}, padding.left);
  return planned;
}

CudaWork WorkLayout::write(std::uint8_t* host, std::uintptr_t device, void* out) {
  DeviceAreas areas{
      {host, device}, {nullptr, device + table_bytes_}, {nullptr, device + uploaded_bytes_}};
  return WorkWriter(*this, areas, out).write();
}

}  // namespace vrs
