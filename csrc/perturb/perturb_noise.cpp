// Writes the rows of noisy images.
#include <algorithm>
#include <cstddef>

#include "noise_ops.h"
#include "perturb.h"
#include "philox.h"

namespace vrs {
namespace {

// Calls change(words, begin, count) for `count` <= kNoiseWords values of a row at a time.
template <typename Change>
void draw_row(const PerturbKernels& kernels, const std::array<std::uint64_t, 2>& key, int y,
              int values, const Change& change) {
  const Philox philox(key);
  alignas(64) std::uint16_t words[kNoiseWords];
  for (int begin = 0; begin < values; begin += kNoiseWords) {
    kernels.draw_words(philox, y, begin, words);
    change(words, begin, std::min(kNoiseWords, values - begin));
  }
}

}  // namespace

void PerturbedImage::write_gaussian_noise(int y, std::uint8_t* out) const {
  const auto add = [&](const std::uint16_t* words, int begin, int count) {
    alignas(64) std::uint8_t offsets[kNoiseWords];
    kernels_.look_up_offsets(*noise_, words, offsets);
    kernels_.add_offsets(words, offsets, count, out + begin);
  };
  copy_pixels(y, 0, image_.width, out);
  draw_row(kernels_, perturbation_.key, y, 3 * image_.width, add);
}

void PerturbedImage::write_speckle_noise(int y, std::uint8_t* out) const {
  const auto add = [&](const std::uint16_t* words, int begin, int count) {
    alignas(64) std::uint8_t offsets[kNoiseWords];
    alignas(64) std::uint16_t factors[kNoiseWords];
    const std::uint16_t* speckle = speckle_->data();
    for (int i = 0; i < kNoiseWords; ++i) factors[i] = speckle[magnitude_bits(words[i])];
    kernels_.scale_offsets(factors, out + begin, count, offsets);
    kernels_.add_offsets(words, offsets, count, out + begin);
  };
  copy_pixels(y, 0, image_.width, out);
  draw_row(kernels_, perturbation_.key, y, 3 * image_.width, add);
}

void PerturbedImage::write_shot_noise(int y, std::uint8_t* out) const {
  const auto draw = [&, table = shot_->view()](const std::uint16_t* words, int begin, int count) {
    for (int i = 0; i < count; ++i) {
      out[begin + i] = count_photons(table, out[begin + i], words[i]);
    }
  };
  copy_pixels(y, 0, image_.width, out);
  draw_row(kernels_, perturbation_.key, y, 3 * image_.width, draw);
}

void PerturbedImage::write_impulse_noise(int y, std::uint8_t* out) const {
  const int limit = round_share(perturbation_.parameters[0], 65536);
  const auto strike = [&](const std::uint16_t* words, int begin, int count) {
    for (int i = 0; i < count; ++i) {
      if (words[i] < limit) std::fill_n(out + 3 * (begin + i), 3, impulse_level(words[i]));
    }
  };
  copy_pixels(y, 0, image_.width, out);
  draw_row(kernels_, perturbation_.key, y, image_.width, strike);
}

}  // namespace vrs
