// Removes the detail of an image beyond a number of lines: reduces and enlarges it as Pillow does.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "contract/preprocess.h"
#include "perturb_kernels.h"

namespace vrs {

struct CpuPlan;

// To `size` by Filter::lanczos and PassOrder::pillow13; level tables that keep the level.
Geometry lanczos_geometry(const Size& size);

// The size to which the filter reduces an image. `lines` is less than the image's shorter edge.
Size reduced_size(const Size& image, int lines);

// Holds the image reduced and then widened again, as the groups of rows that the kernels of the
// resize take. A row of the result is the vertical pass of the enlargement over some of these
// groups. Both steps are plain resizes by the CPU's plans and kernels.
class LowPass {
 public:
  // `lines` is less than the image's shorter edge.
  LowPass(const ImageView& image, int lines, const PerturbKernels& kernels);

  // Writes row `y` as packed RGB pixels. Thread-safe.
  void write_row(int y, std::uint8_t* out) const;

 private:
  int values_;                           // of a row
  std::shared_ptr<const CpuPlan> plan_;  // of the vertical pass
  std::size_t group_bytes_;
  std::vector<std::uint8_t> row_groups_;
};

}  // namespace vrs
