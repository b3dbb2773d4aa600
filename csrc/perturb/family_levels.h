// Levels: a table of each channel says what each of its levels becomes.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "contract/pixel_ops.h"
#include "perturbation_parts.h"

#define VRS_LEVEL_KINDS(KIND)  \
  KIND(brightness, Brightness) \
  KIND(contrast, Contrast)     \
  KIND(gamma, Gamma)

namespace vrs {

using LevelMaps = std::array<std::array<std::uint8_t, 256>, 3>;

// level_of(channel, level) -> level
template <typename Function>
LevelMaps map_levels(const Function& level_of) {
  LevelMaps maps;
  for (int c = 0; c < 3; ++c) {
    for (int level = 0; level < 256; ++level) maps[c][level] = level_of(c, level);
  }
  return maps;
}

// Each kind adds derive(source) -> LevelMaps, and lay_out(), which writes change().levels.
struct Levels {
  static constexpr int kCost = 4;
  static constexpr bool kIsTurned = false;
  static constexpr bool kShowsImage = true;
  static constexpr bool kIsMoving = false;
  static constexpr bool kChangesLevels = true;

  static void write_rows(const HostSource& source, const LevelMaps& maps, int y, int count,
                         std::uint8_t* out, std::ptrdiff_t pitch) {
    for (int i = 0; i < count; ++i) write_row(source.image, maps, y + i, out + pitch * i);
  }
  static void write_row(const ImageView& image, const LevelMaps& maps, int y, std::uint8_t* out) {
    const std::uint8_t* pixel = row_of(image, y);
    for (int x = 0; x < image.width; ++x, pixel += image.channels, out += 3) {
      for (int c = 0; c < 3; ++c) out[c] = maps[c][pixel[c]];
    }
  }

  VRS_DEVICE static void change_run(const DevicePerturbation& change, const BlockTables&, int, int,
                                    Pixel (&run)[kRunPixels]) {
    const std::uint8_t* levels = change.levels;
    GPU_UNROLL
    for (int i = 0; i < kRunPixels; ++i) {
      run[i] = pack_pixel(levels[channel_of(run[i], 0)], levels[256 + channel_of(run[i], 1)],
                          levels[512 + channel_of(run[i], 2)]);
    }
  }
};

// Levels that the parameters alone decide: Kind::map(parameters) -> LevelMaps.
template <typename Kind>
struct LevelsOfParameters : Levels {
  static LevelMaps derive(const HostSource& source) {
    return Kind::map(source.perturbation.parameters);
  }
  static void lay_out(const Perturbation& perturbation, DeviceWriter& writer) {
    const LevelMaps& maps =
        writer.keep(perturbation, [&] { return Kind::map(perturbation.parameters); });
    writer.change().levels = writer.share(maps[0].data(), 3 * 256);
  }
};

using Parameters = std::array<double, kMaxPerturbationParameters>;

// level * factor, as PIL's ImageEnhance.Brightness.
struct Brightness : LevelsOfParameters<Brightness> {
  static constexpr PerturbationDefinition kDefinition = {
      PerturbationKind::brightness, "brightness", 1, {{{"factor", 0, 16, false}}}};

  static LevelMaps map(const Parameters& p) {
    return map_levels([factor = p[0]](int, int level) { return round_to_level(level * factor); });
  }
};

// 255 * (level / 255) ^ exponent.
struct Gamma : LevelsOfParameters<Gamma> {
  static constexpr PerturbationDefinition kDefinition = {
      PerturbationKind::gamma, "gamma", 1, {{{"exponent", 0.01, 100, false}}}};

  static LevelMaps map(const Parameters& p) {
    return map_levels([exponent = p[0]](int, int level) {
      return round_to_level(255 * std::pow(level / 255.0, exponent));
    });
  }
};

// mean + (level - mean) * factor, with the mean of each channel.
struct Contrast : Levels {
  static constexpr PerturbationDefinition kDefinition = {
      PerturbationKind::contrast, "contrast", 1, {{{"factor", 0, 16, false}}}};

  static LevelMaps derive(const HostSource& source) {
    const ImageView& image = source.image;
    std::array<std::int64_t, 3> sums{};
    for (int y = 0; y < image.height; ++y) {
      std::array<std::uint32_t, 3> row_sums{};  // 65536 pixels of 255 fit
      const std::uint8_t* pixel = row_of(image, y);
      for (int x = 0; x < image.width; ++x, pixel += image.channels) {
        for (int c = 0; c < 3; ++c) row_sums[c] += pixel[c];
      }
      for (int c = 0; c < 3; ++c) sums[c] += row_sums[c];
    }
    const double pixels = static_cast<double>(image.height) * image.width;
    const double factor = source.perturbation.parameters[0];
    return map_levels(
        [&](int c, int level) { return contrast_level(level, sums[c] / pixels, factor); });
  }
  static void lay_out(const Perturbation& perturbation, DeviceWriter& writer) {
    writer.prepare_contrast(perturbation.parameters[0]);
  }
};

}  // namespace vrs
