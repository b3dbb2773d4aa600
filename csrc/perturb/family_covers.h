// Covers: some or all pixels take one colour.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "perturbation_parts.h"

#define VRS_COVER_KINDS(KIND) \
  KIND(blank, Blank)          \
  KIND(occlusion, Occlusion)

namespace vrs {

// check_perturbation has established that the three from `first` on are whole numbers in 0..255.
inline std::array<std::uint8_t, 3> colour_parameter(const Perturbation& perturbation, int first) {
  std::array<std::uint8_t, 3> colour{};
  for (int c = 0; c < 3; ++c) {
    colour[c] = static_cast<std::uint8_t>(perturbation.parameters[first + c]);
  }
  return colour;
}

// The pixels of an occlusion's rectangle; empty if top >= bottom or left >= right.
inline Region occluded_region(const Perturbation& perturbation, const Size& image) {
  const auto& p = perturbation.parameters;
  const auto scale = [](double share, int edge) {
    return static_cast<int>(std::floor(share * edge + 0.5));
  };
  return {scale(p[0], image.height), scale(p[1], image.width), scale(p[2], image.height),
          scale(p[3], image.width)};
}

struct Covers {
  static constexpr bool kIsTurned = false;
  static constexpr bool kIsMoving = false;
  static constexpr bool kChangesLevels = true;

  static Nothing derive(const HostSource&) { return {}; }
  static void lay_out_colour(const Perturbation& perturbation, int first, DeviceWriter& writer) {
    const auto colour = colour_parameter(perturbation, first);
    writer.change().colour = {colour[0], colour[1], colour[2], 0};
  }
};

// Every pixel takes the colour.
struct Blank : Covers, RowByRow<Blank> {
  static constexpr PerturbationDefinition kDefinition = {
      PerturbationKind::blank,
      "blank",
      3,
      {{{"red", 0, 255, true}, {"green", 0, 255, true}, {"blue", 0, 255, true}}}};
  static constexpr int kCost = 4;
  static constexpr bool kShowsImage = false;

  static void write_row(const HostSource& source, const Nothing&, int, std::uint8_t* out) {
    fill_pixels(colour_parameter(source.perturbation, 0), source.image.width, out);
  }
  static void lay_out(const Perturbation& perturbation, DeviceWriter& writer) {
    lay_out_colour(perturbation, 0, writer);
  }
  VRS_DEVICE static void change_run(const DevicePerturbation& change, const BlockTables&, int, int,
                                    Pixel (&run)[kRunPixels]) {
    GPU_UNROLL
    for (int i = 0; i < kRunPixels; ++i) run[i] = pack_pixel(change.colour);
  }
};

// Rows round(top * H) .. round(bottom * H) - 1, and columns likewise, take the colour.
struct Occlusion : Covers, RowByRow<Occlusion> {
  static constexpr PerturbationDefinition kDefinition = {PerturbationKind::occlusion,
                                                         "occlusion",
                                                         7,
                                                         {{{"top", 0, 1, false},
                                                           {"left", 0, 1, false},
                                                           {"bottom", 0, 1, false},
                                                           {"right", 0, 1, false},
                                                           {"red", 0, 255, true},
                                                           {"green", 0, 255, true},
                                                           {"blue", 0, 255, true}}}};
  static constexpr int kCost = 2;
  static constexpr bool kShowsImage = true;

  static void write_row(const HostSource& source, const Nothing&, int y, std::uint8_t* out) {
    copy_row(source, y, out);
    const Region region =
        occluded_region(source.perturbation, {source.image.height, source.image.width});
    if (y < region.top || y >= region.bottom || region.right <= region.left) return;
    fill_pixels(colour_parameter(source.perturbation, 4), region.right - region.left,
                out + 3 * region.left);
  }
  static void lay_out(const Perturbation& perturbation, DeviceWriter& writer) {
    lay_out_colour(perturbation, 4, writer);
    writer.change().region = occluded_region(perturbation, writer.image_size());
  }
  VRS_DEVICE static void change_run(const DevicePerturbation& change, const BlockTables&, int y,
                                    int x, Pixel (&run)[kRunPixels]) {
    const Region& region = change.region;
    if (y < region.top || y >= region.bottom) return;
    GPU_UNROLL
    for (int i = 0; i < kRunPixels; ++i) {
      if (x + i >= region.left && x + i < region.right) run[i] = pack_pixel(change.colour);
    }
  }
};

}  // namespace vrs
