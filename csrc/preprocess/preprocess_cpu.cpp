// The CPU backend: runs a checked request job by job, in portable scalar loops.
#include "preprocess_cpu.h"

#include <algorithm>
#include <cstddef>

#include "perturb.h"
#include "pixel_ops.h"
#include "resample_plan.h"

namespace vrs {
namespace {

using Colour = std::array<std::uint8_t, 3>;

// Packed RGB pixels, owned.
struct PixelBlock {
  int height;
  int width;
  std::vector<std::uint8_t> pixels;

  PixelBlock(int block_height, int block_width)
      : height(block_height),
        width(block_width),
        pixels(static_cast<std::size_t>(block_height) * block_width * 3) {}

  std::uint8_t* row(int y) { return pixels.data() + static_cast<std::size_t>(y) * width * 3; }
  ImageView view() const { return {pixels.data(), height, width, 3, std::int64_t{width} * 3}; }
};

const std::uint8_t* row_of(const ImageView& image, int y) {
  return image.pixels + y * image.row_stride;
}

// The perturbed source, centred in a square of its longest edge where `is_padded` (as LLaVA's
// pad_to_square does).
PixelBlock materialise(const ImageView& image, const Perturbation& perturbation, bool is_padded,
                       const Colour& background) {
  const int edge = std::max(image.height, image.width);
  const int top = is_padded ? (edge - image.height) / 2 : 0;
  const int left = is_padded ? (edge - image.width) / 2 : 0;
  PixelBlock block(is_padded ? edge : image.height, is_padded ? edge : image.width);
  if (is_padded) {
    std::uint8_t* pixel = block.pixels.data();
    const std::uint8_t* end = pixel + block.pixels.size();
    for (; pixel != end; pixel += 3) std::copy(background.begin(), background.end(), pixel);
  }
  for (int y = 0; y < image.height; ++y) {
    perturb_row(image, perturbation, y, block.row(top + y) + 3 * left);
  }
  return block;
}

// Source rows [plan.source_begin, plan.source_end) of `image` -> the same rows, plan.outputs wide.
PixelBlock resample_columns(const ImageView& image, int row_begin, int row_end,
                            const AxisPlan& plan) {
  PixelBlock out(row_end - row_begin, plan.outputs);
  for (int y = row_begin; y < row_end; ++y) {
    const std::uint8_t* source = row_of(image, y);
    std::uint8_t* target = out.row(y - row_begin);
    for (int x = 0; x < plan.outputs; ++x, target += 3) {
      const std::uint8_t* pixel = source + std::ptrdiff_t{plan.first[x]} * image.channels;
      if (plan.is_copy) {
        std::copy_n(pixel, 3, target);
        continue;
      }
      const std::int32_t* weights = plan.weights.data() + std::ptrdiff_t{x} * plan.taps;
      std::int32_t red = kRoundingBias, green = kRoundingBias, blue = kRoundingBias;
      for (int t = 0; t < plan.count[x]; ++t, pixel += image.channels) {
        red += pixel[0] * weights[t];
        green += pixel[1] * weights[t];
        blue += pixel[2] * weights[t];
      }
      target[0] = level_from_accumulator(red);
      target[1] = level_from_accumulator(green);
      target[2] = level_from_accumulator(blue);
    }
  }
  return out;
}

void pack_rgb(const std::uint8_t* pixels, int count, int channels, std::uint8_t* out) {
  for (int x = 0; x < count; ++x) std::copy_n(pixels + channels * x, 3, out + 3 * x);
}

// Columns [column_begin, column_end) of the kept output rows. Row 0 of `image` is source row
// `first_row`.
PixelBlock resample_rows(const ImageView& image, int first_row, int column_begin, int column_end,
                         const AxisPlan& plan) {
  PixelBlock out(plan.outputs, column_end - column_begin);
  ImageView columns = image;
  columns.pixels += std::ptrdiff_t{column_begin} * image.channels;
  columns.width = out.width;
  const int bytes = out.width * image.channels;
  std::vector<std::int32_t> sums(bytes);
  std::vector<std::uint8_t> levels(bytes);
  for (int y = 0; y < plan.outputs; ++y) {
    const int first = plan.first[y] - first_row;
    if (plan.is_copy) {
      pack_rgb(row_of(columns, first), out.width, image.channels, out.row(y));
      continue;
    }
    std::fill(sums.begin(), sums.end(), kRoundingBias);
    for (int t = 0; t < plan.count[y]; ++t) {
      const std::int32_t weight = plan.weights[std::ptrdiff_t{y} * plan.taps + t];
      const std::uint8_t* source = row_of(columns, first + t);
      for (int i = 0; i < bytes; ++i) sums[i] += source[i] * weight;
    }
    std::transform(sums.begin(), sums.end(), levels.begin(), level_from_accumulator);
    pack_rgb(levels.data(), out.width, image.channels, out.row(y));
  }
  return out;
}

PixelBlock resample(const ImageView& image, const ResamplePlan& plan) {
  const AxisPlan& rows = plan.rows;
  const AxisPlan& columns = plan.columns;
  if (!plan.vertical_first) {
    const PixelBlock narrow = resample_columns(image, rows.source_begin, rows.source_end, columns);
    return resample_rows(narrow.view(), rows.source_begin, 0, narrow.width, rows);
  }
  const PixelBlock flat = resample_rows(image, 0, columns.source_begin, columns.source_end, rows);
  AxisPlan shifted = columns;
  for (std::int32_t& first : shifted.first) first -= columns.source_begin;
  return resample_columns(flat.view(), 0, flat.height, shifted);
}

// Looks the levels up and writes them as CHW into the crop window, level 0 around them.
void write_planes(const PixelBlock& levels, const ResamplePlan& plan, const Geometry& geometry,
                  float* out) {
  const std::ptrdiff_t plane = std::ptrdiff_t{geometry.crop_height} * geometry.crop_width;
  for (int c = 0; c < 3; ++c, out += plane) {
    const std::array<float, 256>& table = geometry.table[c];
    if (levels.height < geometry.crop_height || levels.width < geometry.crop_width) {
      std::fill(out, out + plane, table[0]);
    }
    for (int y = 0; y < levels.height; ++y) {
      const std::uint8_t* source = levels.pixels.data() + std::ptrdiff_t{y} * levels.width * 3 + c;
      float* target = out + std::ptrdiff_t{y + plan.rows.canvas_offset} * geometry.crop_width +
                      plan.columns.canvas_offset;
      for (int x = 0; x < levels.width; ++x) target[x] = table[source[3 * x]];
    }
  }
}

void run_job(const ImageView& image, const Perturbation& perturbation, const Geometry& geometry,
             float* out) {
  const bool is_padded = geometry.pad_to_square && image.height != image.width;
  const int edge = std::max(image.height, image.width);
  const ResamplePlan plan =
      plan_resample(geometry, is_padded ? edge : image.height, is_padded ? edge : image.width);
  if (perturbation.kind == PerturbationKind::blank && !is_padded && plan.keeps_uniform) {
    const ImageView kept{nullptr, plan.rows.outputs, plan.columns.outputs};
    write_planes(materialise(kept, perturbation, false, {}), plan, geometry, out);
  } else if (perturbation.kind == PerturbationKind::identity && !is_padded) {
    write_planes(resample(image, plan), plan, geometry, out);
  } else {
    const PixelBlock source = materialise(image, perturbation, is_padded, geometry.pad_colour);
    write_planes(resample(source.view(), plan), plan, geometry, out);
  }
}

}  // namespace

void preprocess_cpu(const Request& request, float* out) {
  const Geometry& geometry = request.geometry;
  const std::ptrdiff_t floats_per_job =
      std::ptrdiff_t{3} * geometry.crop_height * geometry.crop_width;
  for (const Job& job : request.jobs) {
    run_job(request.images[job.image], job.perturbation, geometry, out);
    out += floats_per_job;
  }
}

}  // namespace vrs
