// Looks levels up and writes them to their places, past the caches where the output is large.
#include "output_rows.h"

#include <algorithm>
#include <cstring>

#include "resample_kernels.h"
#include "stream_copy.h"

namespace vrs {
namespace {

// Three planes `stride` apart -> `count` packed pixels.
template <typename Value>
void interleave(const Value* planes, std::ptrdiff_t stride, int count, Value* pixels) {
  const Value *red = planes, *green = planes + stride, *blue = planes + 2 * stride;
  for (int x = 0; x < count; ++x) {
    pixels[3 * x] = red[x];
    pixels[3 * x + 1] = green[x];
    pixels[3 * x + 2] = blue[x];
  }
}

// A patch's row of 14 or 16 floats is copied as two halves that overlap, without a call.
template <typename Value>
void copy_run(const Value* values, int count, Value* target) {
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

}  // namespace

OutputRows::OutputRows(const CpuPlan& plan, const Geometry& geometry, const OutputWay& way,
                       const OutputSet& set, OutputMemory& memory)
    : plan_(plan), geometry_(geometry), way_(way), set_(set), memory_(memory) {
  if (geometry.blocks.height != 0) find_places_of_columns();
}

void OutputRows::write(int y, const std::uint8_t* levels, std::ptrdiff_t stride) {
  switch (way_.type) {
    case OutputType::float32:
      write_values(y, {levels, stride}, plan_.kernels->look_up, static_cast<float*>(set_.first));
      return;
    case OutputType::bfloat16:
      write_values(y, {levels, stride}, plan_.kernels->look_up_bfloat16,
                   static_cast<std::uint16_t*>(set_.first));
      return;
    case OutputType::levels:
      break;
  }
  const std::ptrdiff_t pixel = std::ptrdiff_t{row_of(y)} * geometry_.crop_width + left();
  std::uint8_t* target = static_cast<std::uint8_t*>(set_.first) + 3 * pixel;
  interleave(levels, stride, outputs(), target);
  copy_to_others(target, target, std::size_t{3} * outputs(), false);
}

// Copies values to a place of the first output, and to the same place of the others.
void OutputRows::copy(void* target, const void* values, std::size_t bytes) const {
  copy_bytes(target, values, bytes, way_.streams);
  copy_to_others(target, values, bytes, way_.streams);
}

void OutputRows::copy_to_others(void* target, const void* values, std::size_t bytes,
                                bool streams) const {
  for (const std::ptrdiff_t other : set_.others) {
    copy_bytes(static_cast<unsigned char*>(target) + other, values, bytes, streams);
  }
}

template <typename Value>
void OutputRows::write_values(int y, const Levels& levels, LookUp<Value> look_up, Value* out) {
  if (geometry_.blocks.height == 0) {
    write_planes(y, levels, look_up, out);
  } else if (geometry_.blocks.channels_last) {
    write_blocks_of_pixels(y, levels, look_up, out);
  } else {
    write_blocks(y, levels, look_up, out);
  }
}

template <typename Value>
void OutputRows::write_planes(int y, const Levels& levels, LookUp<Value> look_up, Value* out) {
  const std::ptrdiff_t width = geometry_.crop_width;
  Value* row = out + row_of(y) * width + left();
  Value* values = way_.streams ? reserve_rows<Value>(1) : nullptr;
  for (int c = 0; c < 3; ++c, row += width * geometry_.crop_height) {
    const std::size_t bytes = sizeof(Value) * outputs();
    look_up(levels.channel(c), outputs(), geometry_.tables[c], way_.streams ? values : row);
    way_.streams ? copy(row, values, bytes) : copy_to_others(row, row, bytes, false);
  }
}

// Looks the row up, then copies each block's part of it to the first of its places, or to the row
// of blocks that is gathered.
template <typename Value>
void OutputRows::write_blocks(int y, const Levels& levels, LookUp<Value> look_up, Value* out) {
  const Blocks& blocks = geometry_.blocks;
  const int row = row_of(y);
  const std::ptrdiff_t plane = std::ptrdiff_t{blocks.height} * blocks.width;
  const bool gathers = way_.streams && gathers_blocks<Value>();
  const std::ptrdiff_t channel = gathers ? plane : plane * blocks.repeats;
  const bool streams =
      way_.streams && !gathers && blocks.repeats == 1;  // else place_blocks() reads them
  Value* values = reserve_rows<Value>(1);
  Value* row_of_blocks =
      gathers ? reserve_blocks<Value>() : out + place_of_row(row / blocks.height) * 3 * channel;
  row_of_blocks += std::ptrdiff_t{row % blocks.height} * blocks.width;
  for (int c = 0; c < 3; ++c) {
    look_up(levels.channel(c), outputs(), geometry_.tables[c], values);
    int column = left() / blocks.width;
    int inside = left() % blocks.width;
    for (int x = 0; x < outputs(); ++column, inside = 0) {
      const int count = std::min(blocks.width - inside, outputs() - x);
      const std::ptrdiff_t place = gathers ? column : memory_.places[column];
      Value* target = row_of_blocks + place * 3 * channel + c * channel + inside;
      if (streams) {
        copy(target, values + x, sizeof(Value) * count);
      } else {
        copy_run(values + x, count, target);
        if (!gathers) copy_to_others(target, values + x, sizeof(Value) * count, false);
      }
      x += count;
    }
  }
  const bool is_last = (row + 1) % blocks.height == 0 || y == way_.end - 1;
  if (is_last && (gathers || blocks.repeats > 1)) place_blocks(row, gathers, out);
}

// Copies this band's rows of a row of blocks, up to `row`, to the places where they are not yet: a
// whole run for each channel, where rows one by one would be many short ones.
template <typename Value>
void OutputRows::place_blocks(int row, bool gathers, Value* out) {
  const Blocks& blocks = geometry_.blocks;
  const int top = row - row % blocks.height;
  const int first = std::max(top, row_of(way_.begin));
  const std::ptrdiff_t plane = std::ptrdiff_t{blocks.height} * blocks.width;
  const std::ptrdiff_t channel = plane * blocks.repeats;
  const std::ptrdiff_t offset = std::ptrdiff_t{first - top} * blocks.width;
  const std::size_t bytes = sizeof(Value) * (row + 1 - first) * blocks.width;
  Value* row_of_blocks = out + place_of_row(row / blocks.height) * 3 * channel + offset;
  const Value* gathered = gathers ? reserve_blocks<Value>() + offset : nullptr;
  const int last = (left() + outputs() - 1) / blocks.width;
  for (int column = left() / blocks.width; column <= last; ++column) {
    for (int c = 0; c < 3; ++c) {
      Value* values = row_of_blocks + (memory_.places[column] * 3 + c) * channel;
      const Value* source = gathers ? gathered + (std::ptrdiff_t{3} * column + c) * plane : values;
      for (int repeat = gathers ? 0 : 1; repeat < blocks.repeats; ++repeat) {
        copy(values + repeat * plane, source, bytes);
      }
    }
  }
}

// As write_blocks, for blocks of pixels.
template <typename Value>
void OutputRows::write_blocks_of_pixels(int y, const Levels& levels, LookUp<Value> look_up,
                                        Value* out) {
  const Blocks& blocks = geometry_.blocks;
  const int row = row_of(y);
  const std::ptrdiff_t block = std::ptrdiff_t{3} * blocks.height * blocks.width;
  const std::ptrdiff_t stride = round_up(outputs(), kPositionBlock);
  Value* values = reserve_rows<Value>(3);
  for (int c = 0; c < 3; ++c) {
    look_up(levels.channel(c), outputs(), geometry_.tables[c], values + c * stride);
  }
  Value* row_of_blocks = out + place_of_row(row / blocks.height) * block +
                         std::ptrdiff_t{3} * (row % blocks.height) * blocks.width;
  int column = left() / blocks.width;
  int inside = left() % blocks.width;
  for (int x = 0; x < outputs(); ++column, inside = 0) {
    const int count = std::min(blocks.width - inside, outputs() - x);
    Value* target = row_of_blocks + memory_.places[column] * block + std::ptrdiff_t{3} * inside;
    interleave(values + x, stride, count, target);
    copy_to_others(target, target, 3 * sizeof(Value) * count, false);
    x += count;
  }
}

// Whether rows of blocks are written as a whole where they are streamed: parts of lines cost as
// much as lines. All of their columns must be there.
template <typename Value>
bool OutputRows::gathers_blocks() const {
  constexpr std::size_t kShort = 256;
  const int width = geometry_.blocks.width;
  return sizeof(Value) * width < kShort && left() % width == 0 && outputs() % width == 0;
}

template <typename Value>
Value* OutputRows::reserve_rows(int rows) {
  const std::size_t count = static_cast<std::size_t>(rows) * round_up(outputs(), kPositionBlock);
  return reinterpret_cast<Value*>(memory_.values.reserve(sizeof(Value) * count));
}

template <typename Value>
Value* OutputRows::reserve_blocks() {
  const std::size_t count = std::size_t{3} * geometry_.blocks.height * geometry_.crop_width;
  return reinterpret_cast<Value*>(memory_.blocks.reserve(sizeof(Value) * count));
}

// The place of a block in the output is that of its row and that of its column, added.
std::ptrdiff_t OutputRows::place_of_row(int row) const {
  const int merge = geometry_.blocks.merge;
  const std::ptrdiff_t squares_per_row = geometry_.crop_width / geometry_.blocks.width / merge;
  return row / merge * squares_per_row * merge * merge + std::ptrdiff_t{row % merge} * merge;
}

void OutputRows::find_places_of_columns() {
  const int merge = geometry_.blocks.merge;
  const int columns = geometry_.crop_width / geometry_.blocks.width;
  memory_.places.resize(columns);
  for (int column = 0; column < columns; ++column) {
    memory_.places[column] = std::ptrdiff_t{column / merge} * merge * merge + column % merge;
  }
}

}  // namespace vrs
