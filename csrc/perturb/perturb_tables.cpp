// What perturbations derive once per image.
#include "perturb_tables.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "contract/pixel_ops.h"
#include "philox.h"
#include "runtime/per_process.h"
#include "runtime/recent_cache.h"

namespace vrs {
namespace {

// level_of(channel, level) -> level
template <typename Function>
LevelMaps map_levels(const Function& level_of) {
  LevelMaps maps;
  for (int c = 0; c < 3; ++c) {
    for (int level = 0; level < 256; ++level) maps[c][level] = level_of(c, level);
  }
  return maps;
}

constexpr int kWordValues = 65536;

// min(round(scale * z), largest) for the lower 15 bits of a word, z as in perturb.h.
template <typename Value>
std::vector<Value> round_quantiles(double scale, int largest) {
  constexpr int kEntries = kWordValues / 2;
  std::vector<Value> rounded(kEntries, static_cast<Value>(scale > 0 ? largest : 0));
  int begin = 0;
  for (int value = 0; value < largest && begin < kEntries && scale > 0; ++value) {
    // The entries from `end` on have scale * z >= value + 0.5.
    const double share_below = 0.5 * std::erf((value + 0.5) / (scale * std::sqrt(2.0)));
    const int end =
        std::min(static_cast<int>(std::ceil(share_below * kWordValues - 0.5)), kEntries);
    std::fill(rounded.begin() + begin, rounded.begin() + end, static_cast<Value>(value));
    begin = end;
  }
  return rounded;
}

// The first t of each run of equal offsets, and the number of t at the end.
std::vector<int> find_runs(const std::vector<std::uint8_t>& offsets) {
  std::vector<int> begins;
  for (auto run = offsets.begin(); run != offsets.end();
       run = std::upper_bound(run, offsets.end(), *run)) {
    begins.push_back(static_cast<int>(run - offsets.begin()));
  }
  begins.push_back(NoiseTable::kEntries);
  return begins;
}

// True where the estimate of every t of [begin, end), which share cell and offset, is that or one
// less: it never falls within a cell.
bool is_estimated(const NoiseTable& table, int begin, int end) {
  const int offset = table.offsets[begin];
  return table.estimate(begin) >= offset - 1 && table.estimate(end - 1) <= offset;
}

// Where the estimate for `t`, the begin of a cell or its end, does best: runs begin in the middle
// of the two levels that are right for one side or the other. `run` holds t.
double best_height(const NoiseTable& table, const std::vector<int>& runs, std::size_t run, int t) {
  const int offset = table.offsets[runs[run]];
  const bool is_last = run + 2 == runs.size();
  const int rise = is_last ? 1 : table.offsets[runs[run + 1]] - offset;
  const double share = static_cast<double>(t - runs[run]) / (runs[run + 1] - runs[run]);
  return offset == 0 ? share * rise / 2 : offset - 0.5 + share * rise;
}

// Offsets rise so steeply at the end that no straight line follows them: the tail.
void estimate_offsets(NoiseTable& table) {
  const auto begin = table.offsets.begin(), end = table.offsets.end();
  for (int n = 0; n < 256; ++n) {
    const auto above = std::upper_bound(begin, end, static_cast<std::uint8_t>(n));
    table.first_above[n] = static_cast<std::uint16_t>(above - begin);
  }
  const std::vector<int> runs = find_runs(table.offsets);
  std::size_t run = 0;
  double height = 0;
  for (int cell = 0; cell < NoiseTable::kCells; ++cell) {
    const int cell_begin = table.tail, cell_end = table.tail + NoiseTable::kCellWords;
    std::size_t last_run = run;
    while (runs[last_run + 1] < cell_end) ++last_run;
    const double next = best_height(table, runs, last_run, cell_end);
    table.starts[cell] = static_cast<std::uint16_t>(height * NoiseTable::kEstimateUnit);
    table.slopes[cell] = static_cast<std::uint16_t>((next - height) * NoiseTable::kEstimateUnit);
    for (; run <= last_run; ++run) {
      const int part_begin = std::max(runs[run], cell_begin);
      if (!is_estimated(table, part_begin, std::min(runs[run + 1], cell_end))) return;
    }
    run = last_run;
    height = next;
    table.tail = cell_end;
  }
}

NoiseTable tabulate_gaussian_noise(double sigma) {
  NoiseTable table;
  table.offsets = round_quantiles<std::uint8_t>(sigma, 255);  // more clamps to the same level
  estimate_offsets(table);
  return table;
}

std::vector<std::uint16_t> tabulate_speckle_noise(double sigma) {
  return round_quantiles<std::uint16_t>(sigma * kSpeckleUnit, 65535);
}

ShotTable tabulate_shot_noise(double photons) {
  ShotTable table;
  for (int count = 0; table.levels.empty() || table.levels.back() < 255; ++count) {
    table.levels.push_back(round_to_level(std::min(255.0, 255 * count / photons)));
  }
  table.stride = static_cast<int>(table.levels.size());
  table.first_above.reserve(std::size_t{256} * table.stride);
  table.nearby.resize(std::size_t{256} * 256);
  for (int level = 0; level < 256; ++level) {
    const double mean = level * photons / 255;
    double share = std::exp(-mean);
    double share_up_to = 0;
    for (int count = 0; count + 1 < table.stride; ++count) {
      share_up_to += share;
      share = share * mean / (count + 1);
      const double first = std::ceil(share_up_to * kWordValues - 0.5);
      table.first_above.push_back(std::min(static_cast<int>(first), kWordValues));
    }
    table.first_above.push_back(kWordValues);
    const std::int32_t* first_above = table.first_above.data() + level * table.stride;
    std::uint16_t count = 0;
    for (int word = 0; word < kWordValues; word += 256) {
      while (word >= first_above[count]) ++count;
      table.nearby[level * 256 + word / 256] = count;
    }
  }
  return table;
}

template <typename Table>
std::shared_ptr<const Table> find_table(Table (*tabulate)(double), double parameter) {
  constexpr std::size_t kKeptTables = 8;  // a benchmark has a few severities of each kind
  return of_this_process<RecentCache<double, Table, kKeptTables>>().find(
      parameter, [=] { return tabulate(parameter); });
}

const std::uint8_t* row_of(const ImageView& image, int y) {
  return image.pixels + y * image.row_stride;
}

}  // namespace

LevelMaps map_brightness(double factor) {
  return map_levels([=](int, int level) { return round_to_level(level * factor); });
}

LevelMaps map_contrast(const ImageView& image, double factor) {
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
  return map_levels(
      [&](int c, int level) { return contrast_level(level, sums[c] / pixels, factor); });
}

LevelMaps map_gamma(double exponent) {
  return map_levels(
      [=](int, int level) { return round_to_level(255 * std::pow(level / 255.0, exponent)); });
}

std::shared_ptr<const NoiseTable> find_gaussian_noise(double sigma) {
  return find_table(tabulate_gaussian_noise, sigma);
}

std::shared_ptr<const std::vector<std::uint16_t>> find_speckle_noise(double sigma) {
  return find_table(tabulate_speckle_noise, sigma);
}

std::shared_ptr<const ShotTable> find_shot_noise(double photons) {
  return find_table(tabulate_shot_noise, photons);
}

std::vector<std::uint16_t> gaussian_weights(double sigma) {
  constexpr int kUnit = 256;  // 255 * 256 still fits the 16-bit sums of the blur
  const int reach = static_cast<int>(std::ceil(3 * sigma));
  std::vector<double> exact;
  double sum = 0;
  for (int i = 0; i <= reach; ++i) {
    exact.push_back(std::exp(-0.5 * i * i / (sigma * sigma)));
    sum += i == 0 ? exact[i] : 2 * exact[i];
  }
  std::vector<std::uint16_t> outer;
  int centre = kUnit;
  for (int i = 1; i <= reach; ++i) {
    const auto weight = static_cast<std::uint16_t>(std::floor(exact[i] / sum * kUnit + 0.5));
    if (weight == 0) break;
    outer.push_back(weight);
    centre -= 2 * weight;
  }
  std::vector<std::uint16_t> weights(outer.rbegin(), outer.rend());
  weights.push_back(static_cast<std::uint16_t>(centre));
  weights.insert(weights.end(), outer.begin(), outer.end());
  return weights;
}

std::vector<std::uint8_t> average_cells(const ImageView& image, int edge) {
  const int rows = (image.height + edge - 1) / edge;
  const int columns = (image.width + edge - 1) / edge;
  std::vector<std::uint8_t> cells;
  cells.reserve(std::size_t{3} * rows * columns);
  std::vector<std::int64_t> sums;
  for (int row = 0; row < rows; ++row) {
    sums.assign(std::size_t{3} * columns, 0);
    const int end = std::min(image.height, (row + 1) * edge);
    for (int y = row * edge; y < end; ++y) {
      const std::uint8_t* pixel = row_of(image, y);
      for (int column = 0; column < columns; ++column) {
        const int pixels = std::min(edge, image.width - column * edge);
        for (int x = 0; x < pixels; ++x, pixel += image.channels) {
          for (int c = 0; c < 3; ++c) sums[3 * column + c] += pixel[c];
        }
      }
    }
    for (int i = 0; i < 3 * columns; ++i) {
      const std::int64_t width = std::min(image.width - i / 3 * edge, edge);
      const std::int64_t pixels = width * (end - row * edge);
      cells.push_back(static_cast<std::uint8_t>((2 * sums[i] + pixels) / (2 * pixels)));
    }
  }
  return cells;
}

std::vector<std::int32_t> permute(int count, const std::array<std::uint64_t, 2>& key) {
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

}  // namespace vrs
