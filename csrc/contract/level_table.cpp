// Rounds a channel's level table to bfloat16, and checks whether kernels may compute its values.
#include <algorithm>
#include <cmath>

#include "pixel_ops.h"
#include "preprocess.h"

namespace vrs {
namespace {

// Unlike ==, tells 0 from -0; kernels that compute would round NaN to a number.
bool are_the_same_number(float a, float b) {
  return a == b && std::signbit(a) == std::signbit(b);
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
    table.is_arithmetic =
        are_the_same_number(divide(share - n.mean, n.std, 1 / n.std), values[level]);
  }
  return table;
}

}  // namespace vrs
