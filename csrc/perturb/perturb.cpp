// Writes the rows of perturbed images.
#include "perturb.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "contract/pixel_ops.h"
#include "perturb_tables.h"

namespace vrs {
namespace {

void copy_row_reversed(const ImageView& image, int y, std::uint8_t* out) {
  const std::uint8_t* pixel = image.pixels + y * image.row_stride;
  std::uint8_t* target = out + std::ptrdiff_t{3} * (image.width - 1);
  for (int x = 0; x < image.width; ++x, pixel += image.channels, target -= 3) {
    for (int c = 0; c < 3; ++c) target[c] = pixel[c];
  }
}

// Column `x`, from the top down or from the bottom up.
void copy_column(const ImageView& image, int x, bool is_upward, std::uint8_t* out) {
  const std::ptrdiff_t step = is_upward ? -image.row_stride : image.row_stride;
  const std::uint8_t* pixel = image.pixels + std::ptrdiff_t{x} * image.channels;
  if (is_upward) pixel += (image.height - 1) * image.row_stride;
  for (int y = 0; y < image.height; ++y, pixel += step, out += 3) {
    for (int c = 0; c < 3; ++c) out[c] = pixel[c];
  }
}

void fill_pixels(const std::array<std::uint8_t, 3>& colour, int count, std::uint8_t* out) {
  for (int x = 0; x < count; ++x, out += 3) {
    out[0] = colour[0];
    out[1] = colour[1];
    out[2] = colour[2];
  }
}

}  // namespace

int round_share(double share, int edge) {
  return static_cast<int>(std::floor(share * edge + 0.5));
}

Region occluded_region(const Perturbation& perturbation, const Size& image) {
  const auto& p = perturbation.parameters;
  return {round_share(p[0], image.height), round_share(p[1], image.width),
          round_share(p[2], image.height), round_share(p[3], image.width)};
}

Size perturbed_size(const ImageView& image, PerturbationKind kind) {
  const bool is_turned =
      kind == PerturbationKind::rotate_90 || kind == PerturbationKind::rotate_270;
  return is_turned ? Size{image.width, image.height} : Size{image.height, image.width};
}

std::array<std::uint8_t, 3> colour_parameter(const Perturbation& perturbation, int first) {
  std::array<std::uint8_t, 3> colour{};
  for (int c = 0; c < 3; ++c) {
    colour[c] = static_cast<std::uint8_t>(perturbation.parameters[first + c]);
  }
  return colour;
}

PerturbedImage::PerturbedImage(const ImageView& image, const Perturbation& perturbation,
                               const PerturbKernels& kernels)
    : image_(image), perturbation_(perturbation), kernels_(kernels) {
  const double first = perturbation.parameters[0];
  switch (perturbation.kind) {
    case PerturbationKind::brightness:
      levels_ = map_brightness(first);
      break;
    case PerturbationKind::contrast:
      levels_ = map_contrast(image, first);
      break;
    case PerturbationKind::gamma:
      levels_ = map_gamma(first);
      break;
    case PerturbationKind::gaussian_noise:
      noise_ = find_gaussian_noise(first);
      break;
    case PerturbationKind::speckle_noise:
      speckle_ = find_speckle_noise(first);
      break;
    case PerturbationKind::shot_noise:
      shot_ = find_shot_noise(first);
      break;
    case PerturbationKind::low_pass:
      if (first < std::min(image.height, image.width)) {
        low_pass_ = std::make_shared<LowPass>(image, static_cast<int>(first), kernels);
      }
      break;
    case PerturbationKind::gaussian_blur:
      weights_ = gaussian_weights(first);
      break;
    case PerturbationKind::pixelate:
      cells_ = average_cells(image, static_cast<int>(first));
      break;
    case PerturbationKind::patch_shuffle:
      patches_ = permute(static_cast<int>(first * perturbation.parameters[1]), perturbation.key);
      break;
    case PerturbationKind::identity:
    case PerturbationKind::blank:
    case PerturbationKind::impulse_noise:
    case PerturbationKind::occlusion:
    case PerturbationKind::flip_horizontal:
    case PerturbationKind::flip_vertical:
    case PerturbationKind::rotate_90:
    case PerturbationKind::rotate_180:
    case PerturbationKind::rotate_270:
      break;
  }
}

void PerturbedImage::write_rows(int y, int count, std::uint8_t* out, std::ptrdiff_t pitch) const {
  if (kind() == PerturbationKind::gaussian_blur) return write_blurred(y, count, out, pitch);
  for (int i = 0; i < count; ++i) write_row(y + i, out + pitch * i);
}

void PerturbedImage::write_row(int y, std::uint8_t* out) const {
  switch (perturbation_.kind) {
    case PerturbationKind::identity:
      return copy_pixels(y, 0, image_.width, out);
    case PerturbationKind::blank:
      return fill_pixels(colour_parameter(perturbation_, 0), image_.width, out);
    case PerturbationKind::brightness:
    case PerturbationKind::contrast:
    case PerturbationKind::gamma:
      return write_mapped(y, out);
    case PerturbationKind::gaussian_noise:
      return write_gaussian_noise(y, out);
    case PerturbationKind::impulse_noise:
      return write_impulse_noise(y, out);
    case PerturbationKind::shot_noise:
      return write_shot_noise(y, out);
    case PerturbationKind::speckle_noise:
      return write_speckle_noise(y, out);
    case PerturbationKind::low_pass:
      return low_pass_ ? low_pass_->write_row(y, out) : copy_pixels(y, 0, image_.width, out);
    case PerturbationKind::gaussian_blur:
      return write_blurred(y, 1, out, 0);
    case PerturbationKind::pixelate:
      return write_pixelated(y, out);
    case PerturbationKind::patch_shuffle:
      return write_shuffled(y, out);
    case PerturbationKind::occlusion:
      return write_occluded(y, out);
    case PerturbationKind::flip_vertical:
      return copy_pixels(image_.height - 1 - y, 0, image_.width, out);
    case PerturbationKind::rotate_90:
      return copy_column(image_, image_.width - 1 - y, false, out);
    case PerturbationKind::rotate_270:
      return copy_column(image_, y, true, out);
    case PerturbationKind::rotate_180:
      return copy_row_reversed(image_, image_.height - 1 - y, out);
    case PerturbationKind::flip_horizontal:
      return copy_row_reversed(image_, y, out);
  }
}

// Pixels [begin, end) of row `y` as packed RGB.
void PerturbedImage::copy_pixels(int y, int begin, int end, std::uint8_t* out) const {
  const std::uint8_t* pixels =
      image_.pixels + y * image_.row_stride + std::ptrdiff_t{begin} * image_.channels;
  if (image_.channels == 3) {
    std::memcpy(out, pixels, static_cast<std::size_t>(end - begin) * 3);
  } else {
    kernels_.pack_rgb(pixels, end - begin, out);
  }
}

void PerturbedImage::write_mapped(int y, std::uint8_t* out) const {
  const std::uint8_t* pixel = image_.pixels + y * image_.row_stride;
  for (int x = 0; x < image_.width; ++x, pixel += image_.channels, out += 3) {
    for (int c = 0; c < 3; ++c) out[c] = levels_[c][pixel[c]];
  }
}

// Rows, then columns. The sources of all rows are packed once, at a distance that is an odd number
// of cache lines: powers of two would share the few places that the innermost cache has for each.
void PerturbedImage::write_blurred(int y, int count, std::uint8_t* out,
                                   std::ptrdiff_t pitch) const {
  static thread_local std::vector<std::uint8_t> packed, padded;
  constexpr std::ptrdiff_t kLine = 64;
  const int taps = static_cast<int>(weights_.size());
  const int reach = taps / 2;
  const int width = image_.width, values = 3 * width;
  const std::ptrdiff_t packed_pitch = ((values + kLine - 1) / kLine | 1) * kLine;
  const int first = std::max(y - reach, 0);
  const int last = std::min(y + count - 1 + reach, image_.height - 1);
  packed.resize(packed_pitch * (last - first + 1));
  for (int source = first; source <= last; ++source) {
    copy_pixels(source, 0, width, packed.data() + packed_pitch * (source - first));
  }
  const auto source_row = [&](int source) {
    return packed.data() + packed_pitch * (std::clamp(source, first, last) - first);
  };
  padded.resize(2 * std::size_t{3} * (width + 2 * reach));
  std::uint8_t* const lines[2] = {padded.data(), padded.data() + padded.size() / 2};
  std::array<const std::uint8_t*, kMaxBlurTaps + 1> rows{};
  for (int i = 0; i < count; i += 2) {
    for (int t = 0; t <= taps; ++t) rows[t] = source_row(y + i + t - reach);
    const int pair = std::min(count - i, 2);
    if (pair == 2) {
      kernels_.weigh_two_rows(rows.data(), weights_.data(), taps, values, lines[0] + 3 * reach,
                              lines[1] + 3 * reach);
    } else {
      kernels_.weigh_rows(rows.data(), weights_.data(), taps, values, lines[0] + 3 * reach);
    }
    for (int k = 0; k < pair; ++k, out += pitch) blur_line(lines[k], reach, out);
  }
}

// `line`: the row from 3 * reach on; what lies before and after is filled with the edge's pixels.
void PerturbedImage::blur_line(std::uint8_t* line, int reach, std::uint8_t* out) const {
  const int taps = 2 * reach + 1, values = 3 * image_.width;
  std::uint8_t* inside = line + std::ptrdiff_t{3} * reach;
  for (int i = 1; i <= reach; ++i) {
    std::copy_n(inside, 3, inside - 3 * i);
    std::copy_n(inside + values - 3, 3, inside + values - 3 + 3 * i);
  }
  std::array<const std::uint8_t*, kMaxBlurTaps> rows{};
  for (int t = 0; t < taps; ++t) rows[t] = line + std::ptrdiff_t{3} * t;
  kernels_.weigh_rows(rows.data(), weights_.data(), taps, values, out);
}

void PerturbedImage::write_pixelated(int y, std::uint8_t* out) const {
  const int edge = static_cast<int>(perturbation_.parameters[0]);
  const int columns = (image_.width + edge - 1) / edge;
  const std::uint8_t* cell = cells_.data() + static_cast<std::ptrdiff_t>(y / edge) * columns * 3;
  for (int begin = 0; begin < image_.width; begin += edge, cell += 3) {
    fill_pixels({cell[0], cell[1], cell[2]}, std::min(edge, image_.width - begin), out + 3 * begin);
  }
}

void PerturbedImage::write_shuffled(int y, std::uint8_t* out) const {
  const int rows = static_cast<int>(perturbation_.parameters[0]);
  const int columns = static_cast<int>(perturbation_.parameters[1]);
  const int patch_height = image_.height / rows;
  const int patch_width = image_.width / columns;
  if (patch_height == 0 || patch_width == 0 || y >= patch_height * rows) {
    return copy_pixels(y, 0, image_.width, out);
  }
  const int covered = columns * patch_width;
  copy_pixels(y, covered, image_.width, out + 3 * covered);
  for (int column = 0; column < columns; ++column) {
    const int source = patches_[y / patch_height * columns + column];
    const int source_y = source / columns * patch_height + y % patch_height;
    const int source_x = source % columns * patch_width;
    copy_pixels(source_y, source_x, source_x + patch_width, out + 3 * column * patch_width);
  }
}

Region PerturbedImage::occluded() const {
  return occluded_region(perturbation_, {image_.height, image_.width});
}

void PerturbedImage::write_occluded(int y, std::uint8_t* out) const {
  copy_pixels(y, 0, image_.width, out);
  const Region region = occluded();
  if (y < region.top || y >= region.bottom || region.right <= region.left) return;
  fill_pixels(colour_parameter(perturbation_, 4), region.right - region.left,
              out + 3 * region.left);
}

}  // namespace vrs
