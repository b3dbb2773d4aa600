// Noise: random words change single values or pixels.
//
// Random numbers are 16-bit words u of Philox, eight a draw; word i of row y is in draw (y, i / 8).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "noise_ops.h"
#include "noise_tables.h"
#include "perturbation_parts.h"
#include "philox.h"

#define VRS_NOISE_KINDS(KIND)         \
  KIND(gaussian_noise, GaussianNoise) \
  KIND(impulse_noise, ImpulseNoise)   \
  KIND(shot_noise, ShotNoise)         \
  KIND(speckle_noise, SpeckleNoise)

namespace vrs {

struct Noise {
  static constexpr int kCost = 4;
  static constexpr bool kIsTurned = false;
  static constexpr bool kShowsImage = true;
  static constexpr bool kIsMoving = false;
  static constexpr bool kChangesLevels = true;

  // Calls change(words, begin, count) for `count` <= kNoiseWords values of a row at a time.
  template <typename Change>
  static void draw_row(const HostSource& source, int y, int values, const Change& change) {
    const Philox philox(source.perturbation.key);
    alignas(64) std::uint16_t words[kNoiseWords];
    for (int begin = 0; begin < values; begin += kNoiseWords) {
      source.kernels.draw_words(philox, y, begin, words);
      change(words, begin, std::min(kNoiseWords, values - begin));
    }
  }
};

// One word a value. On the device: Kind::change_value(change, level, word), or change_pair() of its
// own.
template <typename Kind>
struct ValueNoise : Noise, RowByRow<Kind> {
  VRS_DEVICE static Pair change_pair(const DevicePerturbation& change, const BlockTables&,
                                     Pair levels, Pair words) {
    const auto change_half = [&](int shift) {
      return Kind::change_value(change, static_cast<std::uint8_t>(levels >> shift),
                                static_cast<std::uint16_t>(words >> shift));
    };
    return join_halves(change_half(0), change_half(16));
  }
  VRS_DEVICE static void change_run(const DevicePerturbation& change, const BlockTables& tables,
                                    int y, int x, Pixel (&run)[kRunPixels]) {
    change_values(change.key, y, x, run, [&](Pair levels, Pair words) {
      return Kind::change_pair(change, tables, levels, words);
    });
  }
};

// level + round(sigma * z), minus where u's top bit is set; z is the standard normal quantile at
// 0.5 + (t + 0.5) / 65536, t being u's lower 15 bits. One word per value.
struct GaussianNoise : ValueNoise<GaussianNoise> {
  static constexpr PerturbationDefinition kDefinition = {
      PerturbationKind::gaussian_noise, "gaussian_noise", 1, {{{"sigma", 0, 255, false}}}};
  using Table = std::shared_ptr<const NoiseTable>;

  static Table derive(const HostSource& source) {
    return find_gaussian_noise(source.perturbation.parameters[0]);
  }
  static void write_row(const HostSource& source, const Table& table, int y, std::uint8_t* out) {
    const PerturbKernels& kernels = source.kernels;
    const auto add = [&](const std::uint16_t* words, int begin, int count) {
      alignas(64) std::uint8_t offsets[kNoiseWords];
      kernels.look_up_offsets(*table, words, offsets);
      kernels.add_offsets(words, offsets, count, out + begin);
    };
    copy_row(source, y, out);
    draw_row(source, y, 3 * source.image.width, add);
  }

  static void lay_out(const Perturbation& perturbation, DeviceWriter& writer) {
    writer.change().offset_cells = writer.share(writer.keep(
        perturbation, [&] { return find_gaussian_noise(perturbation.parameters[0])->cells; }));
  }
  VRS_DEVICE static Pair change_pair(const DevicePerturbation&, const BlockTables& tables,
                                     Pair levels, Pair words) {
    return add_offsets(levels, words, OffsetCells::look_up(tables.offset_cells, words));
  }
};

// level + round(level * s), minus where u's top bit is set; s is sigma * z in units of 1 / 4096,
// rounded, and z as in gaussian_noise. One word per value. One of ImageNet-C's extra kinds.
struct SpeckleNoise : ValueNoise<SpeckleNoise> {
  static constexpr PerturbationDefinition kDefinition = {
      PerturbationKind::speckle_noise, "speckle_noise", 1, {{{"sigma", 0, 3, false}}}};
  static constexpr int kCost = 7;
  using Factors = std::shared_ptr<const std::vector<std::uint16_t>>;  // sigma * z per t

  static Factors derive(const HostSource& source) {
    return find_speckle_noise(source.perturbation.parameters[0]);
  }
  static void write_row(const HostSource& source, const Factors& table, int y, std::uint8_t* out) {
    const PerturbKernels& kernels = source.kernels;
    const auto add = [&](const std::uint16_t* words, int begin, int count) {
      alignas(64) std::uint8_t offsets[kNoiseWords];
      alignas(64) std::uint16_t factors[kNoiseWords];
      const std::uint16_t* speckle = table->data();
      for (int i = 0; i < kNoiseWords; ++i) factors[i] = speckle[magnitude_bits(words[i])];
      kernels.scale_offsets(factors, out + begin, count, offsets);
      kernels.add_offsets(words, offsets, count, out + begin);
    };
    copy_row(source, y, out);
    draw_row(source, y, 3 * source.image.width, add);
  }

  static void lay_out(const Perturbation& perturbation, DeviceWriter& writer) {
    writer.change().factors = writer.share(
        writer.keep(perturbation, [&] { return *find_speckle_noise(perturbation.parameters[0]); }));
  }
  VRS_DEVICE static std::uint8_t change_value(const DevicePerturbation& change, std::uint8_t level,
                                              std::uint16_t word) {
    return add_offset(level, word, scale_offset(level, change.factors[magnitude_bits(word)]));
  }
};

// With more photons the noise is under 12 levels at white, and the chance of no photon comes near
// the least double.
constexpr int kMaxPhotons = 500;

// round(255 * count / photons), at most 255, for the Poisson count of mean level / 255 * photons:
// the least count whose cumulative probability exceeds (u + 0.5) / 65536. One word per value.
// ImageNet-C's (Hendrycks and Dietterich, arXiv 1903.12261), which truncates instead.
struct ShotNoise : ValueNoise<ShotNoise> {
  static constexpr PerturbationDefinition kDefinition = {
      PerturbationKind::shot_noise, "shot_noise", 1, {{{"photons", 1, kMaxPhotons, false}}}};
  static constexpr int kCost = 24;
  using Table = std::shared_ptr<const ShotTable>;

  static Table derive(const HostSource& source) {
    return find_shot_noise(source.perturbation.parameters[0]);
  }
  static void write_row(const HostSource& source, const Table& shot, int y, std::uint8_t* out) {
    const auto draw = [&, table = shot->view()](const std::uint16_t* words, int begin, int count) {
      for (int i = 0; i < count; ++i) {
        out[begin + i] = count_photons(table, out[begin + i], words[i]);
      }
    };
    copy_row(source, y, out);
    draw_row(source, y, 3 * source.image.width, draw);
  }

  static void lay_out(const Perturbation& perturbation, DeviceWriter& writer) {
    const ShotTable& shot =
        writer.keep(perturbation, [&] { return *find_shot_noise(perturbation.parameters[0]); });
    writer.change().shot = {shot.stride, writer.share(shot.first_above), writer.share(shot.nearby),
                            writer.share(shot.levels)};
  }
  VRS_DEVICE static std::uint8_t change_value(const DevicePerturbation& change, std::uint8_t level,
                                              std::uint16_t word) {
    return count_photons(change.shot, level, word);
  }
};

// A pixel whose word is under round(share * 65536) becomes black if the word is even, else white.
struct ImpulseNoise : Noise, RowByRow<ImpulseNoise> {
  static constexpr PerturbationDefinition kDefinition = {
      PerturbationKind::impulse_noise, "impulse_noise", 1, {{{"share", 0, 1, false}}}};

  // The smallest word without effect.
  static int limit_of(const Perturbation& perturbation) {
    return static_cast<int>(std::floor(perturbation.parameters[0] * 65536 + 0.5));
  }
  static int derive(const HostSource& source) { return limit_of(source.perturbation); }
  static void write_row(const HostSource& source, int limit, int y, std::uint8_t* out) {
    const auto strike = [&](const std::uint16_t* words, int begin, int count) {
      for (int i = 0; i < count; ++i) {
        if (words[i] < limit) std::fill_n(out + 3 * (begin + i), 3, impulse_level(words[i]));
      }
    };
    copy_row(source, y, out);
    draw_row(source, y, source.image.width, strike);
  }

  static void lay_out(const Perturbation& perturbation, DeviceWriter& writer) {
    writer.change().limit = limit_of(perturbation);
  }
  VRS_DEVICE static void change_run(const DevicePerturbation& change, const BlockTables&, int y,
                                    int x, Pixel (&run)[kRunPixels]) {
    const auto words = Philox(change.key).draw_words(y, x / kRunPixels);
    GPU_UNROLL
    for (int i = 0; i < kRunPixels; ++i) {
      const Pixel level = impulse_level(words[i]);
      if (words[i] < change.limit) run[i] = pack_pixel(level, level, level);
    }
  }
};

}  // namespace vrs
