// Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011): random numbers that are a function of a
// counter and a key, so that a pixel's numbers need no earlier numbers.
#pragma once

#include <array>
#include <cstdint>

#include "contract/host_device.h"

namespace vrs {

// Draws for one perturbation of one image: `key` as in Perturbation. Its low word is Philox's key,
// its high word the upper half of the counter, (`row`, `block`) the lower half.
class Philox {
 public:
  static constexpr int kRounds = 10;
  static constexpr std::uint32_t kFactor0 = 0xD2511F53, kFactor1 = 0xCD9E8D57;  // the paper's
  static constexpr std::uint32_t kStep0 = 0x9E3779B9, kStep1 = 0xBB67AE85;
  static constexpr int kWordsPerDraw = 8;

  VRS_HOST_DEVICE explicit Philox(const std::array<std::uint64_t, 2>& key)
      : words_{static_cast<std::uint32_t>(key[0]), static_cast<std::uint32_t>(key[0] >> 32),
               static_cast<std::uint32_t>(key[1]), static_cast<std::uint32_t>(key[1] >> 32)} {}

  // Philox's key, then the upper half of its counter.
  const std::array<std::uint32_t, 4>& key_words() const { return words_; }

  VRS_HOST_DEVICE std::array<std::uint32_t, 4> draw(std::uint32_t row, std::uint32_t block) const {
    std::uint32_t c0 = block, c1 = row, c2 = words_[2], c3 = words_[3];
    std::uint32_t k0 = words_[0], k1 = words_[1];
    for (int round = 0; round < kRounds; ++round) {
      const std::uint64_t product0 = multiply_wide(kFactor0, c0);
      const std::uint64_t product1 = multiply_wide(kFactor1, c2);
      c0 = static_cast<std::uint32_t>(product1 >> 32) ^ c1 ^ k0;
      c1 = static_cast<std::uint32_t>(product1);
      c2 = static_cast<std::uint32_t>(product0 >> 32) ^ c3 ^ k1;
      c3 = static_cast<std::uint32_t>(product0);
      k0 += kStep0;
      k1 += kStep1;
    }
    return {c0, c1, c2, c3};
  }

  // A draw as 16-bit words, the low half of each number first.
  VRS_HOST_DEVICE std::array<std::uint16_t, kWordsPerDraw> draw_words(std::uint32_t row,
                                                                      std::uint32_t block) const {
    const std::array<std::uint32_t, 4> numbers = draw(row, block);
    std::array<std::uint16_t, kWordsPerDraw> words{};
    for (int i = 0; i < kWordsPerDraw; ++i) {
      words[i] = static_cast<std::uint16_t>(numbers[i / 2] >> (16 * (i % 2)));
    }
    return words;
  }

 private:
  std::array<std::uint32_t, 4> words_;
};

}  // namespace vrs
