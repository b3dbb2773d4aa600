// From a geometry and an image size to integer coefficients and bounds: Pillow's precompute_coeffs
// and normalize_coeffs_8bpc, operation for operation in double (hence -ffp-contract=off). torch
// computes the same doubles and rounds them to int16 (ATen/native/cpu/UpSampleKernel.cpp).
#include "resample_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "contract/pixel_ops.h"

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

std::int32_t to_fixed_point(double weight, int bits) {
  const double scaled = weight * (1 << bits);
  return static_cast<std::int32_t>(weight < 0 ? -0.5 + scaled : 0.5 + scaled);
}

// The kept outputs [begin, end) of a `resized` long axis, cropped or padded to `crop`.
struct CropRange {
  int begin;
  int end;
  int canvas_offset;
};

CropRange place_crop(int resized, int crop, const Geometry& geometry) {
  const bool is_corner = geometry.placement == Placement::corner;
  if (crop <= resized) {
    const int begin = is_corner ? 0 : (resized - crop) / 2;
    return {begin, begin + crop, 0};
  }
  if (is_corner) return {0, resized, 0};
  const int margin = crop - resized;  // an odd one is larger before the image, or after it
  const bool is_larger_before =
      geometry.placement == Placement::centre && geometry.arithmetic == Arithmetic::pillow;
  return {0, resized, (margin + (is_larger_before ? 1 : 0)) / 2};
}

// Torch's choice: the most bits, up to 22, with which the largest weight of the axis fits an int16.
constexpr int kInt16Bits = 14;  // for a largest weight of one

int int16_bits(double largest_weight) {
  int bits = 0;
  while (bits < kCoefficientBits &&
         static_cast<int>(0.5 + largest_weight * (1 << (bits + 1))) < (1 << 15)) {
    ++bits;
  }
  return bits;
}

// An axis that keeps its size is skipped: one tap of weight one gives the same levels.
void plan_copy(const CropRange& range, AxisPlan& plan) {
  plan.taps = 1;
  plan.weights.assign(plan.outputs, 1 << plan.coefficient_bits);
  for (int i = 0; i < plan.outputs; ++i) plan.first.push_back(range.begin + i);
  plan.count.assign(plan.outputs, 1);
  plan.source_begin = range.begin;
  plan.source_end = range.end;
}

// Where the sources of one output lie.
struct Taps {
  int first = 0;
  int count = 0;
};

class AxisFilter {
 public:
  AxisFilter(int source, int resized, const FilterWindow& window)
      : source_(source),
        window_(window),
        scale_(static_cast<double>(source) / resized),
        support_(window.support * std::max(scale_, 1.0)),
        inverse_scale_(1.0 / std::max(scale_, 1.0)) {}

  int most_taps() const { return std::min(static_cast<int>(std::ceil(support_)) * 2 + 1, source_); }

  // Writes the weights of output `index`, which sum to one, to `exact`.
  Taps weigh(int index, double* exact) const {
    const double centre = (index + 0.5) * scale_;
    Taps taps;
    taps.first = std::max(static_cast<int>(centre - support_ + 0.5), 0);
    taps.count = std::min(static_cast<int>(centre + support_ + 0.5), source_) - taps.first;
    double sum = 0.0;
    for (int t = 0; t < taps.count; ++t) {
      exact[t] = window_.weight((t + taps.first - centre + 0.5) * inverse_scale_);
      sum += exact[t];
    }
    for (int t = 0; t < taps.count && sum != 0.0; ++t) exact[t] /= sum;
    return taps;
  }

 private:
  int source_;
  FilterWindow window_;
  double scale_;
  double support_;
  double inverse_scale_;
};

// The largest weight of all outputs, including those that the crop drops.
double largest_exact_weight(const AxisFilter& filter, int resized) {
  std::vector<double> exact(filter.most_taps());
  double largest = 0.0;
  for (int i = 0; i < resized; ++i) {
    const Taps taps = filter.weigh(i, exact.data());
    for (int t = 0; t < taps.count; ++t) largest = std::max(largest, exact[t]);
  }
  return largest;
}

void plan_filter(int source, const AxisFilter& filter, const CropRange& range, AxisPlan& plan) {
  plan.taps = filter.most_taps();
  plan.weights.assign(static_cast<std::size_t>(plan.outputs) * plan.taps, 0);
  plan.source_begin = source;
  std::vector<double> exact(plan.taps);
  for (int i = 0; i < plan.outputs; ++i) {
    const Taps taps = filter.weigh(range.begin + i, exact.data());
    for (int t = 0; t < taps.count; ++t) {
      plan.weights[static_cast<std::size_t>(i) * plan.taps + t] =
          to_fixed_point(exact[t], plan.coefficient_bits);
    }
    plan.first.push_back(taps.first);
    plan.count.push_back(taps.count);
    plan.source_begin = std::min(plan.source_begin, taps.first);
    plan.source_end = std::max(plan.source_end, taps.first + taps.count);
  }
}

AxisPlan plan_axis(int source, int resized, int crop, const Geometry& geometry) {
  const bool is_int16 = geometry.arithmetic == Arithmetic::torchvision;
  const CropRange range = place_crop(resized, crop, geometry);
  AxisPlan plan;
  plan.outputs = range.end - range.begin;
  plan.canvas_offset = range.canvas_offset;
  plan.first.reserve(plan.outputs);
  plan.count.reserve(plan.outputs);
  if (source == resized) {
    if (is_int16) plan.coefficient_bits = kInt16Bits;
    plan_copy(range, plan);
    return plan;
  }
  const AxisFilter filter(source, resized, filter_window(geometry.filter));
  if (is_int16) plan.coefficient_bits = int16_bits(largest_exact_weight(filter, resized));
  plan_filter(source, filter, range, plan);
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
    const std::int64_t error = std::llabs(sum - (1LL << plan.coefficient_bits));
    if (255 * error >= rounding_bias(plan.coefficient_bits)) return false;
  }
  return true;
}

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
  plan.vertical_first = geometry.arithmetic == Arithmetic::pillow &&
                        is_vertical_first(geometry.pass_order, height, width, resized);
  plan.rows = plan_axis(height, resized.height, geometry.crop_height, geometry);
  plan.columns = plan_axis(width, resized.width, geometry.crop_width, geometry);
  plan.keeps_uniform = keeps_uniform(plan.rows) && keeps_uniform(plan.columns);
  return plan;
}

bool stays_uniform(const ResamplePlan& plan, const Geometry& geometry, const Size& size,
                   PerturbationKind kind) {
  const bool is_padded = geometry.pad_to_square && size.height != size.width;
  return kind == PerturbationKind::blank && !is_padded && plan.keeps_uniform;
}

std::int32_t largest_weight(const ResamplePlan& plan) {
  std::int32_t largest = 0;
  for (const AxisPlan* axis : {&plan.rows, &plan.columns}) {
    for (const std::int32_t weight : axis->weights) largest = std::max(largest, std::abs(weight));
  }
  return largest;
}

}  // namespace vrs
