// Numbers read from the bytes of a fuzzer's input, one after the other; 0 where the bytes are used
// up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fuzz {

class InputBytes {
 public:
  InputBytes(const std::uint8_t* bytes, std::size_t count) : bytes_(bytes), left_(count) {}

  // Eight bits, the same as the input's, so that a fuzzer's change of one byte changes one number.
  int byte() { return raw<std::uint8_t>(); }

  // `high` - `low` is at most 255.
  int whole(int low, int high) { return low + byte() % (high - low + 1); }

  // True about once in `times`, which is at most 256.
  bool one_in(int times) { return byte() >= 256 - 256 / times; }

  // Any bits at all.
  template <typename Number>
  Number raw() {
    Number number{};
    const std::size_t count = left_ < sizeof(Number) ? left_ : sizeof(Number);
    if (count > 0) std::memcpy(&number, bytes_, count);
    bytes_ += count;
    left_ -= count;
    return number;
  }

 private:
  const std::uint8_t* bytes_;
  std::size_t left_;
};

}  // namespace fuzz
