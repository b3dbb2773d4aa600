// Writes rows of levels as values where they go: planes, blocks, blocks of pixels, or levels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "contract/preprocess.h"
#include "cpu_plan.h"
#include "kept_buffer.h"

namespace vrs {

struct OutputMemory {
  Buffer<std::uint8_t> values;  // a row, before it goes to its blocks or past the caches
  Buffer<std::uint8_t> blocks;  // a row of blocks, before it goes to its places
  std::vector<std::ptrdiff_t> places;
};

// Outputs that get the same values.
struct OutputSet {
  void* first;
  std::vector<std::ptrdiff_t> others = {};  // in bytes from the first one
};

// What is written, and how; rows [begin, end) of the plan are a band.
struct OutputWay {
  OutputType type;
  bool streams;
  int begin, end;
};

class OutputRows {
 public:
  OutputRows(const CpuPlan& plan, const Geometry& geometry, const OutputWay& way,
             const OutputSet& set, OutputMemory& memory);

  // Writes kept output row `y`, whose three planes of levels are `stride` apart. Rows are written
  // in order; with the band's last one all values are in their places.
  void write(int y, const std::uint8_t* levels, std::ptrdiff_t stride);

 private:
  template <typename Value>
  using LookUp = void (*)(const std::uint8_t* levels, int count, const LevelTable& table,
                          Value* out);

  struct Levels {
    const std::uint8_t* planes;
    std::ptrdiff_t stride;

    const std::uint8_t* channel(int c) const { return planes + c * stride; }
  };

  // Where rows and columns of the plan stand in the output.
  int row_of(int y) const { return y + plan_.resample.rows.canvas_offset; }
  int left() const { return plan_.resample.columns.canvas_offset; }
  int outputs() const { return plan_.columns.outputs; }

  template <typename Value>
  void write_values(int y, const Levels& levels, LookUp<Value> look_up, Value* out);
  template <typename Value>
  void write_planes(int y, const Levels& levels, LookUp<Value> look_up, Value* out);
  template <typename Value>
  void write_blocks(int y, const Levels& levels, LookUp<Value> look_up, Value* out);
  template <typename Value>
  void write_blocks_of_pixels(int y, const Levels& levels, LookUp<Value> look_up, Value* out);
  template <typename Value>
  void place_blocks(int row, bool gathers, Value* out);

  void copy(void* target, const void* values, std::size_t bytes) const;
  void copy_to_others(void* target, const void* values, std::size_t bytes, bool streams) const;

  template <typename Value>
  bool gathers_blocks() const;
  template <typename Value>
  Value* reserve_rows(int rows);
  template <typename Value>
  Value* reserve_blocks();
  std::ptrdiff_t place_of_row(int row) const;
  void find_places_of_columns();

  const CpuPlan& plan_;
  const Geometry& geometry_;
  const OutputWay way_;
  const OutputSet& set_;
  OutputMemory& memory_;
};

}  // namespace vrs
