// Rounds a channel's level table to bfloat16, and checks whether kernels may compute its values.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "pixel_ops.h"
#include "preprocess.h"

namespace vrs {
namespace {

// Unlike ==, tells 0 from -0.
bool have_same_bits(float a, float b) {
  std::uint32_t bits_of_a, bits_of_b;
  std::memcpy(&bits_of_a, &a, sizeof a);
  std::memcpy(&bits_of_b, &b, sizeof b);
  return bits_of_a == bits_of_b;
}

}  // namespace

LevelTable make_level_table(const float* values, const Normalisation& normalisation) {
  LevelTable table;
  std::copy_n(values, table.values.size(), table.values.begin());
  std::transform(values, values + table.bfloat16.size(), table.bfloat16.begin(), to_bfloat16);
  table.normalisation = normalisation;
  table.is_arithmetic = true;
  const Normalisation& n = normalisation;
  for (int level = 0; level < 256 && table.is_arithmetic; ++level) {
    const float share = divide(static_cast<float>(level), n.divisor, 1 / n.divisor);
    table.is_arithmetic = have_same_bits(divide(share - n.mean, n.std, 1 / n.std), values[level]);
  }
  return table;
}

}  // namespace vrs
