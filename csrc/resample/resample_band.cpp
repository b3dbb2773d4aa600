// Streams source rows through the resize, strip by strip, so that everything between source and
// output stays in the inner caches.
#include "resample_band.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

#include "contract/pixel_ops.h"

namespace vrs {
namespace {

// Memory for kernels: aligned to a cache line, kept from call to call, zero when first used.
template <typename T>
class Buffer {
 public:
  T* reserve(std::size_t count) {
    constexpr std::size_t kLine = 64;
    if (count > size_) {
      storage_ = std::make_unique<unsigned char[]>(count * sizeof(T) + kLine);
      size_ = count;
      void* begin = storage_.get();
      std::size_t space = count * sizeof(T) + kLine;
      data_ = static_cast<T*>(std::align(kLine, count * sizeof(T), begin, space));
    }
    return data_;
  }

 private:
  std::unique_ptr<unsigned char[]> storage_;
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

struct Workspace {
  Buffer<std::int32_t> strip;
  Buffer<std::uint8_t> ring;      // row groups that the vertical pass still needs
  Buffer<std::uint8_t> groups;    // the row groups of one strip
  Buffer<std::uint8_t> rendered;  // source rows
  Buffer<std::uint8_t> flat;      // rows between a vertical and a horizontal pass
  Buffer<std::uint8_t> levels;
  Buffer<std::uint8_t> values;  // a row of the output, before it goes to its blocks
  std::vector<std::ptrdiff_t> places;
  std::vector<const std::uint8_t*> source_rows;
  std::vector<const std::uint8_t*> flat_rows;
  std::vector<const std::uint8_t*> window;
  std::vector<std::uint8_t*> targets;
};

// Computes one band of one job.
class BandRun {
 public:
  BandRun(const CpuPlan& plan, const RowSource& source, const Geometry& geometry, OutputType type,
          void* out, Workspace& workspace)
      : plan_(plan),
        kernels_(*plan.kernels),
        source_(source),
        geometry_(geometry),
        type_(type),
        out_(out),
        work_(workspace),
        groups_per_strip_(kernels_.strip_rows / kernels_.taps_per_group),
        plane_stride_(round_up(plan.columns.outputs, 8)),
        planar_positions_(round_up(3 * plane_stride_, kPositionBlock)) {
    levels_ = work_.levels.reserve(planar_positions_);
    const std::size_t cells = std::size_t{3} * kernels_.strip_rows;
    strip_ = work_.strip.reserve(cells * (plan.columns.source_groups + kSpareGroups));
    if (geometry.blocks.height != 0) find_places_of_columns();
  }

  void run(int begin, int end) {
    begin_ = begin;
    end_ = end;
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
      write_row(y);
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
      write_row(y + r);
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

  void write_row(int y) {
    switch (type_) {
      case OutputType::float32:
        write_row_of(y, static_cast<float*>(out_), kernels_.look_up);
        return;
      case OutputType::bfloat16:
        write_row_of(y, static_cast<std::uint16_t*>(out_), kernels_.look_up_bfloat16);
        return;
      case OutputType::levels:
        break;
    }
    const std::ptrdiff_t row = y + plan_.resample.rows.canvas_offset;
    const std::ptrdiff_t pixel = row * geometry_.crop_width + plan_.resample.columns.canvas_offset;
    interleave(levels_, plane_stride_, plan_.columns.outputs,
               static_cast<std::uint8_t*>(out_) + 3 * pixel);
  }

  // Three planes `stride` apart -> `count` packed pixels.
  template <typename Value>
  static void interleave(const Value* planes, std::ptrdiff_t stride, int count, Value* pixels) {
    const Value *red = planes, *green = planes + stride, *blue = planes + 2 * stride;
    for (int x = 0; x < count; ++x) {
      pixels[3 * x] = red[x];
      pixels[3 * x + 1] = green[x];
      pixels[3 * x + 2] = blue[x];
    }
  }

  template <typename Value>
  void write_row_of(int y, Value* out,
                    void (*look_up)(const std::uint8_t*, int, const LevelTable&, Value*)) {
    if (geometry_.blocks.height != 0) {
      geometry_.blocks.channels_last ? write_row_to_pixels(y, out, look_up)
                                     : write_row_to_blocks(y, out, look_up);
      return;
    }
    const std::ptrdiff_t width = geometry_.crop_width;
    const std::ptrdiff_t plane = width * geometry_.crop_height;
    Value* row = out + (y + plan_.resample.rows.canvas_offset) * width +
                 plan_.resample.columns.canvas_offset;
    for (int c = 0; c < 3; ++c) {
      look_up(levels_ + static_cast<std::ptrdiff_t>(c) * plane_stride_, plan_.columns.outputs,
              geometry_.tables[c], row + c * plane);
    }
  }

  // Looks the row up, then copies each block's part of it to the first of its places.
  template <typename Value>
  void write_row_to_blocks(int y, Value* out,
                           void (*look_up)(const std::uint8_t*, int, const LevelTable&, Value*)) {
    const Blocks& blocks = geometry_.blocks;
    const int row = y + plan_.resample.rows.canvas_offset;
    const int first = plan_.resample.columns.canvas_offset;
    const int outputs = plan_.columns.outputs;
    const std::ptrdiff_t plane = std::ptrdiff_t{blocks.height} * blocks.width;
    const std::ptrdiff_t channel = plane * blocks.repeats;
    auto* values = reinterpret_cast<Value*>(
        work_.values.reserve(sizeof(Value) * round_up(outputs, kPositionBlock)));
    Value* row_of_blocks = out + place_of_row(row / blocks.height) * 3 * channel +
                           std::ptrdiff_t{row % blocks.height} * blocks.width;
    for (int c = 0; c < 3; ++c) {
      look_up(levels_ + static_cast<std::ptrdiff_t>(c) * plane_stride_, outputs,
              geometry_.tables[c], values);
      int column = first / blocks.width;
      int inside = first % blocks.width;
      for (int x = 0; x < outputs; ++column, inside = 0) {
        const int count = std::min(blocks.width - inside, outputs - x);
        Value* target = row_of_blocks + places_[column] * 3 * channel + c * channel + inside;
        copy_run(values + x, count, target);
        x += count;
      }
    }
    const bool is_last = (row + 1) % blocks.height == 0 || y == end_ - 1;
    if (is_last && blocks.repeats > 1) repeat_rows(row, out);
  }

  // Copies this band's rows of a row of blocks, up to `row`, to their other places: a whole run for
  // each channel, where rows one by one would be many short ones.
  template <typename Value>
  void repeat_rows(int row, Value* out) {
    const Blocks& blocks = geometry_.blocks;
    const int top = row - row % blocks.height;
    const int first = std::max(top, begin_ + plan_.resample.rows.canvas_offset);
    const std::ptrdiff_t plane = std::ptrdiff_t{blocks.height} * blocks.width;
    const std::ptrdiff_t channel = plane * blocks.repeats;
    const std::ptrdiff_t offset = std::ptrdiff_t{first - top} * blocks.width;
    const std::size_t bytes = sizeof(Value) * (row + 1 - first) * blocks.width;
    const int left = plan_.resample.columns.canvas_offset;
    Value* row_of_blocks = out + place_of_row(row / blocks.height) * 3 * channel + offset;
    for (int column = left / blocks.width;
         column <= (left + plan_.columns.outputs - 1) / blocks.width; ++column) {
      for (int c = 0; c < 3; ++c) {
        Value* values = row_of_blocks + (places_[column] * 3 + c) * channel;
        for (int repeat = 1; repeat < blocks.repeats; ++repeat) {
          std::memcpy(values + repeat * plane, values, bytes);
        }
      }
    }
  }

  // As write_row_to_blocks, for blocks of pixels.
  template <typename Value>
  void write_row_to_pixels(int y, Value* out,
                           void (*look_up)(const std::uint8_t*, int, const LevelTable&, Value*)) {
    const Blocks& blocks = geometry_.blocks;
    const int row = y + plan_.resample.rows.canvas_offset;
    const int first = plan_.resample.columns.canvas_offset;
    const int outputs = plan_.columns.outputs;
    const std::ptrdiff_t block = std::ptrdiff_t{3} * blocks.height * blocks.width;
    const std::ptrdiff_t stride = round_up(outputs, kPositionBlock);
    auto* values = reinterpret_cast<Value*>(work_.values.reserve(3 * sizeof(Value) * stride));
    for (int c = 0; c < 3; ++c) {
      look_up(levels_ + static_cast<std::ptrdiff_t>(c) * plane_stride_, outputs,
              geometry_.tables[c], values + c * stride);
    }
    Value* row_of_blocks = out + place_of_row(row / blocks.height) * block +
                           std::ptrdiff_t{3} * (row % blocks.height) * blocks.width;
    int column = first / blocks.width;
    int inside = first % blocks.width;
    for (int x = 0; x < outputs; ++column, inside = 0) {
      const int count = std::min(blocks.width - inside, outputs - x);
      Value* target = row_of_blocks + places_[column] * block + std::ptrdiff_t{3} * inside;
      interleave(values + x, stride, count, target);
      x += count;
    }
  }

  // A patch's row of 14 or 16 floats is copied as two halves that overlap, without a call.
  template <typename Value>
  static void copy_run(const Value* values, int count, Value* target) {
    constexpr std::size_t kHalf = 32;
    const std::size_t bytes = count * sizeof(Value);
    const auto* source = reinterpret_cast<const unsigned char*>(values);
    auto* copy = reinterpret_cast<unsigned char*>(target);
    if (bytes >= kHalf && bytes <= 2 * kHalf) {
      std::memcpy(copy, source, kHalf);
      std::memcpy(copy + bytes - kHalf, source + bytes - kHalf, kHalf);
    } else {
      std::memcpy(copy, source, bytes);
    }
  }

  // The place of a block in the output is that of its row and that of its column, added.
  std::ptrdiff_t place_of_row(int row) const {
    const int merge = geometry_.blocks.merge;
    const std::ptrdiff_t squares_per_row = geometry_.crop_width / geometry_.blocks.width / merge;
    return row / merge * squares_per_row * merge * merge + std::ptrdiff_t{row % merge} * merge;
  }

  void find_places_of_columns() {
    const int merge = geometry_.blocks.merge;
    const int columns = geometry_.crop_width / geometry_.blocks.width;
    work_.places.resize(columns);
    for (int column = 0; column < columns; ++column) {
      work_.places[column] = std::ptrdiff_t{column / merge} * merge * merge + column % merge;
    }
    places_ = work_.places.data();
  }

  const CpuPlan& plan_;
  const ResampleKernels& kernels_;
  const RowSource& source_;
  const Geometry& geometry_;
  OutputType type_;
  void* out_;
  Workspace& work_;
  int begin_ = 0;  // of the band
  int end_ = 0;
  int groups_per_strip_;
  int plane_stride_;
  int planar_positions_;
  const std::ptrdiff_t* places_ = nullptr;  // of columns of blocks
  std::uint8_t* levels_ = nullptr;
  std::int32_t* strip_ = nullptr;
  std::uint8_t* ring_ = nullptr;
  std::size_t ring_stride_ = 0;
  int ring_capacity_ = 0;
  int ring_end_ = 0;
};

}  // namespace

void resample_band(const CpuPlan& plan, const RowSource& source, const Geometry& geometry,
                   OutputType type, int begin, int end, void* out) {
  static thread_local Workspace workspace;
  BandRun(plan, source, geometry, type, out, workspace).run(begin, end);
}

}  // namespace vrs
