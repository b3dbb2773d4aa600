// The inner loops of the CPU resize, one set per instruction set, all with the same results.
//
// Taps are taken in groups of `taps_per_group`. Three layouts carry the pixels:
//
// strip: `strip_rows` source rows side by side, [column group][channel][row], so that one register
// holds one column of them; each cell is 32 bits with the group's levels in it.
//
// row group: `taps_per_group` neighbouring rows, interleaved: [position][tap] bytes, where a
// position is a channel's column (planar) or a byte of an RGB row.
//
// level row: [position] bytes.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "contract/preprocess.h"
#include "resample_plan.h"

namespace vrs {

struct ResampleKernels;

// One output's weights, encoded.
struct PackedFilter {
  const std::int32_t* words = nullptr;  // [group][word]
  int groups = 0;
  // Groups [wide_begin, wide_end) hold all weights that the narrow set could not encode; the other
  // groups need only the words of the narrow set.
  int wide_begin = 0;
  int wide_end = 0;
};

// An AxisPlan with its weights encoded for one set of kernels. Moved, never copied: its filters
// point to its words.
struct PackedAxis {
  PackedAxis() = default;
  PackedAxis(PackedAxis&&) = default;
  PackedAxis& operator=(PackedAxis&&) = default;

  int coefficient_bits = kCoefficientBits;
  int outputs = 0;
  int groups = 0;         // the most that an output has
  int source_begin = 0;   // group 0 starts at this source
  int source_groups = 0;  // groups that the outputs reach, counted from source_begin
  std::vector<std::int32_t> first_group;  // per output
  std::vector<PackedFilter> filters;      // per output, of `words`
  std::vector<std::int32_t> words;
};

PackedAxis pack_axis(const AxisPlan& plan, const ResampleKernels& kernels);

struct ResampleKernels {
  const char* name;
  const ResampleKernels* narrow;  // quicker, for weights up to its own limit; may be null
  std::int32_t weight_limit;      // the largest magnitude that encode_group can encode
  int taps_per_group;
  int words_per_group;
  int strip_rows;

  // `taps_per_group` weights -> `words_per_group` words in the encoding that the filters read.
  void (*encode_group)(const std::int32_t* weights, std::int32_t* words);

  // rows: strip_rows pointers to `pixels` pixels of `channels` bytes. Writes whole column groups,
  // zeros for the pixels missing from the last.
  void (*pack_strip)(const std::uint8_t* const* rows, int channels, int pixels,
                     std::int32_t* strip);

  // Writes axis.outputs columns of each channel to strip_rows / taps_per_group row groups; channel
  // c begins at position c * plane_stride, a multiple of 8. Up to the next such multiple more may
  // be written.
  void (*filter_columns)(const std::int32_t* strip, const PackedAxis& axis, int plane_stride,
                         std::uint8_t* const* row_groups);

  // taps_per_group level rows of `positions` bytes -> one row group.
  void (*interleave_rows)(const std::uint8_t* const* rows, int positions, std::uint8_t* row_group);

  // filter.groups row groups -> one level row. `positions` is a multiple of kPositionBlock.
  void (*filter_rows)(const std::uint8_t* const* row_groups, const PackedFilter& filter,
                      int coefficient_bits, int positions, std::uint8_t* levels);

  void (*look_up)(const std::uint8_t* levels, int count, const LevelTable& table, float* out);
  void (*look_up_bfloat16)(const std::uint8_t* levels, int count, const LevelTable& table,
                           std::uint16_t* out);
};

constexpr int kMaxTapsPerGroup = 4;
constexpr int kMaxWordsPerGroup = 4;

// Row buffers hold whole blocks of so many positions.
constexpr int kPositionBlock = 32;

constexpr int round_up(int value, int multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// The sets that this processor can run, the fastest first; "portable" is always the last.
const std::vector<const ResampleKernels*>& available_kernels();

// The set of that name, or the fastest if no set has the name ("auto").
const ResampleKernels& resample_kernels_named(std::string_view name);

const ResampleKernels& portable_kernels();
const ResampleKernels& avx2_kernels();        // only in builds with VRS_HAVE_AVX2
const ResampleKernels& avxvnni_kernels();     // only in builds with VRS_HAVE_AVXVNNI
const ResampleKernels& avx512vnni_kernels();  // only in builds with VRS_HAVE_AVX512VNNI

}  // namespace vrs
