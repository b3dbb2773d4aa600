// Finds out whether a channel's level table is one fused multiply-add.
#include <algorithm>
#include <cmath>
#include <limits>

#include "preprocess.h"

namespace vrs {
namespace {

bool reproduces(const LevelTable& table, float scale, float offset) {
  for (int level = 0; level < 256; ++level) {
    const float value = std::fma(static_cast<float>(level), scale, offset);
    if (value != table.values[level]) return false;
  }
  return true;
}

float step_by(float value, int steps) {
  const float towards =
      std::copysign(std::numeric_limits<float>::infinity(), static_cast<float>(steps));
  for (int i = 0; i < std::abs(steps); ++i) value = std::nextafter(value, towards);
  return value;
}

}  // namespace

LevelTable make_level_table(const float* values) {
  LevelTable table;
  std::copy_n(values, table.values.size(), table.values.begin());
  const double slope = (static_cast<double>(values[255]) - values[0]) / 255;
  // The table was rounded step by step, so the best line is within a few units in the last place.
  constexpr int kReach = 2;
  for (int i = -kReach; i <= kReach && !table.is_affine; ++i) {
    for (int j = -kReach; j <= kReach && !table.is_affine; ++j) {
      table.scale = step_by(static_cast<float>(slope), i);
      table.offset = step_by(values[0], j);
      table.is_affine = reproduces(table, table.scale, table.offset);
    }
  }
  return table;
}

}  // namespace vrs
