// Makes the tables of noise, and keeps them.
#include "noise_tables.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>

#include "contract/pixel_ops.h"
#include "runtime/per_process.h"
#include "runtime/recent_cache.h"

namespace vrs {
namespace {

constexpr int kWordValues = 65536;

// min(round(scale * z), largest) for the lower 15 bits of a word, z as in family_noise.h.
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

// True if the estimate of every t of [begin, end), all with one cell and one offset, is that offset
// or one less. (An estimate never falls within a cell.)
bool is_estimated(const NoiseTable& table, int begin, int end) {
  const int offset = table.offsets[begin];
  return table.estimate(begin) >= offset - 1 && table.estimate(end - 1) <= offset;
}

// The best height of the estimate at `t`, the begin or the end of a cell: where a run begins, the
// middle of the two levels that are right on either side. `run` holds t.
double best_height(const NoiseTable& table, const std::vector<int>& runs, std::size_t run, int t) {
  const int offset = table.offsets[runs[run]];
  const bool is_last = run + 2 == runs.size();
  const int rise = is_last ? 1 : table.offsets[runs[run + 1]] - offset;
  const double share = static_cast<double>(t - runs[run]) / (runs[run + 1] - runs[run]);
  return offset == 0 ? share * rise / 2 : offset - 0.5 + share * rise;
}

// Finds the estimates of all cells and the tail: offsets rise so steeply at the end that no
// straight line follows them.
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

// The cells of OffsetCells, compared with each offset.
std::vector<std::uint16_t> pack_cells(const std::vector<std::uint8_t>& offsets) {
  std::vector<std::uint16_t> cells(OffsetCells::kCount);
  for (int t = 0; t < NoiseTable::kEntries; ++t) {
    const int share = t < OffsetCells::kFirstSingle ? 1 : OffsetCells::kShare;
    cells[OffsetCells::cell_of(t)] += static_cast<std::uint16_t>(share * offsets[t]);
  }
  for (int t = 0; t < NoiseTable::kEntries; ++t) {
    if (OffsetCells::look_up(cells.data(), join_halves(t, 0)) == join_halves(offsets[t], 0))
      continue;
    throw std::logic_error("gaussian_noise: offsets rise too fast for OffsetCells at " +
                           std::to_string(t));
  }
  return cells;
}

NoiseTable tabulate_gaussian_noise(double sigma) {
  NoiseTable table;
  table.offsets = round_quantiles<std::uint8_t>(sigma, 255);  // more clamps to the same level
  estimate_offsets(table);
  table.cells = pack_cells(table.offsets);
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

}  // namespace

std::shared_ptr<const NoiseTable> find_gaussian_noise(double sigma) {
  return find_table(tabulate_gaussian_noise, sigma);
}

std::shared_ptr<const std::vector<std::uint16_t>> find_speckle_noise(double sigma) {
  return find_table(tabulate_speckle_noise, sigma);
}

std::shared_ptr<const ShotTable> find_shot_noise(double photons) {
  return find_table(tabulate_shot_noise, photons);
}

}  // namespace vrs
