// Streams source rows through the resize, strip by strip, so that everything between source and
// output stays in the inner caches.
#include "resample_band.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "contract/pixel_ops.h"
#include "kept_buffer.h"
#include "stream_copy.h"

namespace vrs {
namespace {

struct Workspace {
  Buffer<std::int32_t> strip;
  Buffer<std::uint8_t> ring;      // row groups that the vertical pass still needs
  Buffer<std::uint8_t> groups;    // the row groups of one strip
  Buffer<std::uint8_t> rendered;  // source rows
  Buffer<std::uint8_t> flat;      // rows between a vertical and a horizontal pass
  Buffer<std::uint8_t> levels;
  OutputMemory output;
  std::vector<const std::uint8_t*> source_rows;
  std::vector<const std::uint8_t*> flat_rows;
  std::vector<const std::uint8_t*> window;
  std::vector<std::uint8_t*> targets;
};

// Computes one band of one job.
class BandRun {
 public:
  BandRun(const CpuPlan& plan, const RowSource& source, Workspace& workspace)
      : plan_(plan),
        kernels_(*plan.kernels),
        source_(source),
        work_(workspace),
        groups_per_strip_(kernels_.strip_rows / kernels_.taps_per_group),
        plane_stride_(round_up(plan.columns.outputs, 8)),
        planar_positions_(round_up(3 * plane_stride_, kPositionBlock)) {
    levels_ = work_.levels.reserve(planar_positions_);
    const std::size_t cells = std::size_t{3} * kernels_.strip_rows;
    strip_ = work_.strip.reserve(cells * (plan.columns.source_groups + kSpareGroups));
  }

  void run(int begin, int end, OutputRows& rows) {
    rows_ = &rows;
    plan_.resample.vertical_first ? run_vertical_first(begin, end)
                                  : run_horizontal_first(begin, end);
  }

 private:
  // pack_strip may write some groups more than there are columns.
  static constexpr int kSpareGroups = 4;

  void run_horizontal_first(int begin, int end) {
    start_ring(begin, planar_positions_);
    for (int y = begin; y < end; ++y) {
      while (ring_end_ < needed_groups(y)) produce_columns();
      filter_row(y, planar_positions_, levels_);
      rows_->write(y, levels_, plane_stride_);
    }
  }

  void run_vertical_first(int begin, int end) {
    const AxisPlan& columns = plan_.resample.columns;
    const int pixels = columns.source_end - columns.source_begin;
    const int positions = round_up(pixels * source_.channels(), kPositionBlock);
    std::uint8_t* flat = work_.flat.reserve(std::size_t(positions) * kernels_.strip_rows);
    start_ring(begin, positions);
    for (int y = begin; y < end; y += kernels_.strip_rows) {
      const int rows = std::min(kernels_.strip_rows, end - y);
      work_.flat_rows.assign(kernels_.strip_rows, flat);
      for (int r = 0; r < rows; ++r) {
        while (ring_end_ < needed_groups(y + r)) produce_interleaved();
        std::uint8_t* row = flat + std::size_t(positions) * r;
        filter_row(y + r, positions, row);
        work_.flat_rows[r] = row;
      }
      write_strip(y, rows, pixels);
    }
  }

  // The ring holds row groups [.., ring_end_), the last ring_capacity_ of them.
  void start_ring(int first_row, int positions) {
    ring_capacity_ = plan_.rows.groups + groups_per_strip_;
    ring_stride_ = std::size_t(positions) * kernels_.taps_per_group;
    ring_ = work_.ring.reserve(ring_stride_ * ring_capacity_);
    ring_end_ = plan_.rows.first_group[first_row];
  }

  std::uint8_t* ring_slot(int group) { return ring_ + ring_stride_ * (group % ring_capacity_); }

  int needed_groups(int y) const {
    return plan_.rows.first_group[y] + plan_.rows.filters[y].groups;
  }

  const std::uint8_t* const* window(int y) {
    const int groups = plan_.rows.filters[y].groups;
    work_.window.resize(groups);
    for (int g = 0; g < groups; ++g) {
      work_.window[g] = ring_slot(plan_.rows.first_group[y] + g);
    }
    return work_.window.data();
  }

  void filter_row(int y, int positions, std::uint8_t* levels) {
    const PackedAxis& rows = plan_.rows;
    kernels_.filter_rows(window(y), rows.filters[y], rows.coefficient_bits, positions, levels);
  }

  // Pointers to `count` source rows from row group `group` on; rows past the last repeat it, their
  // weights are zero.
  const std::uint8_t* const* source_rows(int group, int count) {
    const AxisPlan& rows = plan_.resample.rows;
    const std::size_t stride = std::size_t{3} * source_.width();
    std::uint8_t* scratch = work_.rendered.reserve(stride * count);
    const std::ptrdiff_t offset =
        static_cast<std::ptrdiff_t>(plan_.resample.columns.source_begin) * source_.channels();
    work_.source_rows.resize(count);
    const int first = rows.source_begin + group * kernels_.taps_per_group;
    const int existing = std::min(count, rows.source_end - first);
    source_.find_rows(first, existing, scratch, work_.source_rows.data());
    for (int r = 0; r < count; ++r) {
      const std::uint8_t*& row = work_.source_rows[r];
      row = r < existing ? row + offset : work_.source_rows[r - 1];
    }
    return work_.source_rows.data();
  }

  void produce_columns() {
    const AxisPlan& columns = plan_.resample.columns;
    const std::uint8_t* const* rows = source_rows(ring_end_, kernels_.strip_rows);
    kernels_.pack_strip(rows, source_.channels(), columns.source_end - columns.source_begin,
                        strip_);
    work_.targets.resize(groups_per_strip_);
    for (int g = 0; g < groups_per_strip_; ++g) work_.targets[g] = ring_slot(ring_end_ + g);
    kernels_.filter_columns(strip_, plan_.columns, plane_stride_, work_.targets.data());
    ring_end_ += groups_per_strip_;
  }

  void produce_interleaved() {
    const AxisPlan& columns = plan_.resample.columns;
    const std::uint8_t* const* rows = source_rows(ring_end_, kernels_.taps_per_group);
    const int bytes = (columns.source_end - columns.source_begin) * source_.channels();
    kernels_.interleave_rows(rows, bytes, ring_slot(ring_end_));
    ++ring_end_;
  }

  // work_.flat_rows: `rows` flat rows -> the horizontal pass -> output rows from `y` on.
  void write_strip(int y, int rows, int pixels) {
    const int taps = kernels_.taps_per_group;
    const std::size_t stride = std::size_t(planar_positions_) * taps;
    std::uint8_t* groups = work_.groups.reserve(stride * groups_per_strip_);
    work_.targets.resize(groups_per_strip_);
    for (int g = 0; g < groups_per_strip_; ++g) work_.targets[g] = groups + stride * g;
    kernels_.pack_strip(work_.flat_rows.data(), source_.channels(), pixels, strip_);
    kernels_.filter_columns(strip_, plan_.columns, plane_stride_, work_.targets.data());
    for (int r = 0; r < rows; ++r) {
      pick_row(work_.targets[r / taps], r % taps);
      rows_->write(y + r, levels_, plane_stride_);
    }
  }

  // One row out of a row group, by a filter whose only weight is one.
  void pick_row(const std::uint8_t* row_group, int tap) {
    std::int32_t weights[kMaxTapsPerGroup] = {};
    std::int32_t words[kMaxWordsPerGroup];
    constexpr int kBits = 14;  // so that the weight fits an int16
    weights[tap] = 1 << kBits;
    kernels_.encode_group(weights, words);
    kernels_.filter_rows(&row_group, {words, 1, 0, 1}, kBits, planar_positions_, levels_);
  }

  const CpuPlan& plan_;
  const ResampleKernels& kernels_;
  const RowSource& source_;
  Workspace& work_;
  OutputRows* rows_ = nullptr;
  int groups_per_strip_;
  int plane_stride_;
  int planar_positions_;
  std::uint8_t* levels_ = nullptr;
  std::int32_t* strip_ = nullptr;
  std::uint8_t* ring_ = nullptr;
  std::size_t ring_stride_ = 0;
  int ring_capacity_ = 0;
  int ring_end_ = 0;
};

}  // namespace

void resample_band(const CpuPlan& plan, const RowSource& source, const Geometry& geometry,
                   OutputType type, bool streams, int begin, int end, const OutputSet& outputs) {
  static thread_local Workspace workspace;
  OutputRows rows(plan, geometry, {type, streams, begin, end}, outputs, workspace.output);
  BandRun(plan, source, workspace).run(begin, end, rows);
  if (streams) finish_streams();
}

}  // namespace vrs
