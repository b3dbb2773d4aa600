// From a geometry and an image size to integer coefficients and bounds: Pillow's precompute_coeffs
// and normalize_coeffs_8bpc, operation for operation in double (hence -ffp-contract=off).
#include "resample_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "pixel_ops.h"

namespace vrs {
namespace {

constexpr double kPi = 3.14159265358979323846;

double bilinear(double x) {
  x = std::fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

// Keys' cubic convolution with a = -0.5, factored as Pillow factors it.
double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= kPi;
  return std::sin(x) / x;
}

double lanczos3(double x) {
  return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

struct FilterWindow {
  double (*weight)(double);
  double support;
};

FilterWindow filter_window(Filter filter) {
  switch (filter) {
    case Filter::bilinear:
      return {bilinear, 1.0};
    case Filter::bicubic:
      return {bicubic, 2.0};
    case Filter::lanczos:
      break;
  }
  return {lanczos3, 3.0};
}

std::int32_t to_fixed_point(double weight) {
  const double scaled = weight * (1 << kCoefficientBits);
  return static_cast<std::int32_t>(weight < 0 ? -0.5 + scaled : 0.5 + scaled);
}

// The kept outputs [begin, end) of a `resized` long axis, centre-cropped or padded to `crop`.
struct CropRange {
  int begin;
  int end;
  int canvas_offset;
};

CropRange centre_crop(int resized, int crop) {
  if (crop <= resized) {
    const int begin = (resized - crop) / 2;
    return {begin, begin + crop, 0};
  }
  return {0, resized, (crop - resized + 1) / 2};
}

// Pillow skips an axis that keeps its size: one tap of weight one gives the same levels.
void plan_copy(const CropRange& range, AxisPlan& plan) {
  plan.taps = 1;
  plan.weights.assign(plan.outputs, 1 << kCoefficientBits);
  for (int i = 0; i < plan.outputs; ++i) plan.first.push_back(range.begin + i);
  plan.count.assign(plan.outputs, 1);
  plan.source_begin = range.begin;
  plan.source_end = range.end;
}

void plan_filter(int source, int resized, const FilterWindow& window, const CropRange& range,
                 AxisPlan& plan) {
  const double scale = static_cast<double>(source) / resized;
  const double filter_scale = std::max(scale, 1.0);
  const double support = window.support * filter_scale;
  const double inverse_scale = 1.0 / filter_scale;
  plan.taps = std::min(static_cast<int>(std::ceil(support)) * 2 + 1, source);
  plan.weights.assign(static_cast<std::size_t>(plan.outputs) * plan.taps, 0);
  plan.source_begin = source;
  std::vector<double> exact(plan.taps);
  for (int i = 0; i < plan.outputs; ++i) {
    const double centre = (range.begin + i + 0.5) * scale;
    const int first = std::max(static_cast<int>(centre - support + 0.5), 0);
    const int count = std::min(static_cast<int>(centre + support + 0.5), source) - first;
    double sum = 0.0;
    for (int t = 0; t < count; ++t) {
      exact[t] = window.weight((t + first - centre + 0.5) * inverse_scale);
      sum += exact[t];
    }
    for (int t = 0; t < count; ++t) {
      const double weight = sum != 0.0 ? exact[t] / sum : exact[t];
      plan.weights[static_cast<std::size_t>(i) * plan.taps + t] = to_fixed_point(weight);
    }
    plan.first.push_back(first);
    plan.count.push_back(count);
    plan.source_begin = std::min(plan.source_begin, first);
    plan.source_end = std::max(plan.source_end, first + count);
  }
}

AxisPlan plan_axis(int source, int resized, int crop, Filter filter) {
  const CropRange range = centre_crop(resized, crop);
  AxisPlan plan;
  plan.outputs = range.end - range.begin;
  plan.canvas_offset = range.canvas_offset;
  plan.first.reserve(plan.outputs);
  plan.count.reserve(plan.outputs);
  if (source == resized) {
    plan_copy(range, plan);
  } else {
    plan_filter(source, resized, filter_window(filter), range, plan);
  }
  return plan;
}

// The rounded coefficients of one output need not sum to exactly one; level 255 shows the largest
// error, and it rounds back to 255 while 255 * |error| stays under half a level.
bool keeps_uniform(const AxisPlan& plan) {
  for (int i = 0; i < plan.outputs; ++i) {
    std::int64_t sum = 0;
    for (int t = 0; t < plan.taps; ++t) {
      sum += plan.weights[static_cast<std::size_t>(i) * plan.taps + t];
    }
    if (255 * std::llabs(sum - (1LL << kCoefficientBits)) >= kRoundingBias) return false;
  }
  return true;
}

struct Size {
  int height;
  int width;
};

// As transformers' get_resize_output_image_size: Python's int(requested * long / short).
Size resized_size(const Geometry& geometry, int height, int width) {
  switch (geometry.resize) {
    case ResizeMode::none:
      return {height, width};
    case ResizeMode::exact:
      return {geometry.resize_height, geometry.resize_width};
    case ResizeMode::shortest_edge:
      break;
  }
  const int requested = geometry.resize_height;
  const double longest = std::max(height, width);
  const double shortest = std::min(height, width);
  const int longer = static_cast<int>(requested * longest / shortest);
  return width <= height ? Size{longer, requested} : Size{requested, longer};
}

bool is_vertical_first(PassOrder order, int height, int width, Size resized) {
  const int shrink_height = height - resized.height;
  switch (order) {
    case PassOrder::horizontal_first:
      return false;
    case PassOrder::pillow12_2:  // Image.resize; two calls of the resize, so the order is all
      return height > 100 * static_cast<std::int64_t>(width) && shrink_height > 0;
    case PassOrder::pillow13:  // PR 9549
      break;
  }
  return shrink_height > 0 && shrink_height > 2 * (width - resized.width);
}

}  // namespace

ResamplePlan plan_resample(const Geometry& geometry, int height, int width) {
  const Size resized = resized_size(geometry, height, width);
  ResamplePlan plan;
  plan.height = resized.height;
  plan.width = resized.width;
  plan.vertical_first = is_vertical_first(geometry.pass_order, height, width, resized);
  plan.rows = plan_axis(height, resized.height, geometry.crop_height, geometry.filter);
  plan.columns = plan_axis(width, resized.width, geometry.crop_width, geometry.filter);
  plan.keeps_uniform = keeps_uniform(plan.rows) && keeps_uniform(plan.columns);
  return plan;
}

}  // namespace vrs
