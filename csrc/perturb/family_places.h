// Places: every pixel keeps its colour, but may move to another place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "perturbation_parts.h"
#include "philox.h"

#define VRS_PLACE_KINDS(KIND)           \
  KIND(identity, Identity)              \
  KIND(patch_shuffle, PatchShuffle)     \
  KIND(flip_horizontal, FlipHorizontal) \
  KIND(flip_vertical, FlipVertical)     \
  KIND(rotate_90, Rotate90)             \
  KIND(rotate_180, Rotate180)           \
  KIND(rotate_270, Rotate270)

namespace vrs {

struct Places {
  static constexpr int kCost = 4;
  static constexpr bool kIsTurned = false;
  static constexpr bool kShowsImage = true;
  static constexpr bool kIsMoving = true;
  static constexpr bool kChangesLevels = false;

  static Nothing derive(const HostSource&) { return {}; }
  static void lay_out(const Perturbation&, DeviceWriter&) {}
  VRS_DEVICE static bool keeps_run(const DeviceImage&, const DevicePerturbation&, int, int) {
    return false;
  }
  VRS_DEVICE static void change_run(const DevicePerturbation&, const BlockTables&, int, int,
                                    Pixel (&)[kRunPixels]) {}
};

inline void copy_row_reversed(const ImageView& image, int y, std::uint8_t* out) {
  const std::uint8_t* pixel = row_of(image, y);
  std::uint8_t* target = out + std::ptrdiff_t{3} * (image.width - 1);
  for (int x = 0; x < image.width; ++x, pixel += image.channels, target -= 3) {
    for (int c = 0; c < 3; ++c) target[c] = pixel[c];
  }
}

// Column `x`, from the top down or from the bottom up.
inline void copy_column(const ImageView& image, int x, bool is_upward, std::uint8_t* out) {
  const std::ptrdiff_t step = is_upward ? -image.row_stride : image.row_stride;
  const std::uint8_t* pixel = image.pixels + std::ptrdiff_t{x} * image.channels;
  if (is_upward) pixel += (image.height - 1) * image.row_stride;
  for (int y = 0; y < image.height; ++y, pixel += step, out += 3) {
    for (int c = 0; c < 3; ++c) out[c] = pixel[c];
  }
}

// A permutation of 0..count-1 (Fisher-Yates, from the last down).
inline std::vector<std::int32_t> permute(int count, const std::array<std::uint64_t, 2>& key) {
  const Philox philox(key);
  std::vector<std::int32_t> order(count);
  for (int i = 0; i < count; ++i) order[i] = i;
  for (int i = count - 1; i > 0; --i) {
    // A 32-bit draw scaled to 0..i: the bias is under i / 2^32.
    const std::uint64_t draw = philox.draw(0, static_cast<std::uint32_t>(i))[0];
    std::swap(order[i], order[(draw * (i + 1)) >> 32]);
  }
  return order;
}

// The image as it is.
struct Identity : Places, RowByRow<Identity> {
  static constexpr PerturbationDefinition kDefinition = {
      PerturbationKind::identity, "identity", 0, {}};
  static constexpr int kCost = 1;
  static constexpr bool kIsMoving = false;

  static void write_row(const HostSource& source, const Nothing&, int y, std::uint8_t* out) {
    copy_row(source, y, out);
  }
};

// rows x columns patches of floor(H / rows) x floor(W / columns) pixels change places at random;
// what the grid leaves at the right and bottom stays.
struct PatchShuffle : Places, RowByRow<PatchShuffle> {
  static constexpr PerturbationDefinition kDefinition = {
      PerturbationKind::patch_shuffle,
      "patch_shuffle",
      2,
      {{{"rows", 1, 1024, true}, {"columns", 1, 1024, true}}}};
  static constexpr int kCost = 2;

  // The source of each patch.
  static std::vector<std::int32_t> draw_patches(const Perturbation& perturbation) {
    const auto& p = perturbation.parameters;
    return permute(static_cast<int>(p[0] * p[1]), perturbation.key);
  }
  static std::vector<std::int32_t> derive(const HostSource& source) {
    return draw_patches(source.perturbation);
  }
  static void write_row(const HostSource& source, const std::vector<std::int32_t>& patches, int y,
                        std::uint8_t* out) {
    const ImageView& image = source.image;
    const int rows = static_cast<int>(source.perturbation.parameters[0]);
    const int columns = static_cast<int>(source.perturbation.parameters[1]);
    const int patch_height = image.height / rows;
    const int patch_width = image.width / columns;
    if (patch_height == 0 || patch_width == 0 || y >= patch_height * rows) {
      return copy_row(source, y, out);
    }
    const int covered = columns * patch_width;
    copy_pixels(source, y, covered, image.width, out + 3 * covered);
    for (int column = 0; column < columns; ++column) {
      const int patch = patches[y / patch_height * columns + column];
      const int source_y = patch / columns * patch_height + y % patch_height;
      const int source_x = patch % columns * patch_width;
      copy_pixels(source, source_y, source_x, source_x + patch_width,
                  out + 3 * column * patch_width);
    }
  }

  static void lay_out(const Perturbation& perturbation, DeviceWriter& writer) {
    DevicePerturbation& change = writer.change();
    change.rows = static_cast<int>(perturbation.parameters[0]);
    change.columns = make_divisor(static_cast<int>(perturbation.parameters[1]));
    change.patch_height = make_divisor(writer.image_size().height / change.rows);
    change.patch_width = make_divisor(writer.image_size().width / change.columns.value);
    change.patches =
        writer.share(writer.keep_drawn(perturbation, [&] { return draw_patches(perturbation); }));
  }
  VRS_DEVICE static bool is_left_over(const DevicePerturbation& change, int y, int x) {
    const int covered_rows = change.patch_height.value * change.rows;
    const int covered_columns = change.patch_width.value * change.columns.value;
    return y >= covered_rows || x >= covered_columns;  // also where one of them is 0
  }
  VRS_DEVICE static Place find_source(const DeviceImage&, const DevicePerturbation& change, int y,
                                      int x) {
    if (is_left_over(change, y, x)) return {y, x};
    const int height = change.patch_height.value, width = change.patch_width.value;
    const int row = divide(y, change.patch_height), column = divide(x, change.patch_width);
    const int source = change.patches[row * change.columns.value + column];
    const int source_row = divide(source, change.columns);
    const int source_column = source - source_row * change.columns.value;
    return {y + (source_row - row) * height, x + (source_column - column) * width};
  }
  // Within a patch, or beside the grid.
  VRS_DEVICE static bool keeps_run(const DeviceImage&, const DevicePerturbation& change, int y,
                                   int x) {
    if (is_left_over(change, y, x)) return true;
    const int column = divide(x, change.patch_width);
    return x + kRunPixels <= (column + 1) * change.patch_width.value;
  }
};

struct FlipHorizontal : Places, RowByRow<FlipHorizontal> {
  static constexpr PerturbationDefinition kDefinition = {
      PerturbationKind::flip_horizontal, "flip_horizontal", 0, {}};

  static void write_row(const HostSource& source, const Nothing&, int y, std::uint8_t* out) {
    copy_row_reversed(source.image, y, out);
  }
  VRS_DEVICE static Place find_source(const DeviceImage& image, const DevicePerturbation&, int y,
                                      int x) {
    return {y, image.width - 1 - x};
  }
};

struct FlipVertical : Places, RowByRow<FlipVertical> {
  static constexpr PerturbationDefinition kDefinition = {
      PerturbationKind::flip_vertical, "flip_vertical", 0, {}};

  static void write_row(const HostSource& source, const Nothing&, int y, std::uint8_t* out) {
    copy_row(source, source.image.height - 1 - y, out);
  }
  VRS_DEVICE static Place find_source(const DeviceImage& image, const DevicePerturbation&, int y,
                                      int x) {
    return {image.height - 1 - y, x};
  }
  VRS_DEVICE static bool keeps_run(const DeviceImage&, const DevicePerturbation&, int, int) {
    return true;
  }
};

// Turns are counter-clockwise, as PIL's Image.Transpose.
struct Rotate90 : Places, RowByRow<Rotate90> {
  static constexpr PerturbationDefinition kDefinition = {
      PerturbationKind::rotate_90, "rotate_90", 0, {}};
  static constexpr bool kIsTurned = true;

  static void write_row(const HostSource& source, const Nothing&, int y, std::uint8_t* out) {
    copy_column(source.image, source.image.width - 1 - y, false, out);
  }
  VRS_DEVICE static Place find_source(const DeviceImage& image, const DevicePerturbation&, int y,
                                      int x) {
    return {x, image.width - 1 - y};
  }
};

struct Rotate180 : Places, RowByRow<Rotate180> {
  static constexpr PerturbationDefinition kDefinition = {
      PerturbationKind::rotate_180, "rotate_180", 0, {}};

  static void write_row(const HostSource& source, const Nothing&, int y, std::uint8_t* out) {
    copy_row_reversed(source.image, source.image.height - 1 - y, out);
  }
  VRS_DEVICE static Place find_source(const DeviceImage& image, const DevicePerturbation&, int y,
                                      int x) {
    return {image.height - 1 - y, image.width - 1 - x};
  }
};

struct Rotate270 : Places, RowByRow<Rotate270> {
  static constexpr PerturbationDefinition kDefinition = {
      PerturbationKind::rotate_270, "rotate_270", 0, {}};
  static constexpr bool kIsTurned = true;

  static void write_row(const HostSource& source, const Nothing&, int y, std::uint8_t* out) {
    copy_column(source.image, y, true, out);
  }
  VRS_DEVICE static Place find_source(const DeviceImage& image, const DevicePerturbation&, int y,
                                      int x) {
    return {image.height - 1 - x, y};
  }
};

}  // namespace vrs
