// The product of the tensor cores, mma.m16n8k32, its operands in the lanes as the PTX manual has
// them. Sums wrap around.
#include "block_scheduler.h"
#include "fibers.h"

namespace cuda_on_cpu {

template <typename Weight>
CUDA_ON_CPU_UNCHECKED static void multiply_lanes(void* const (&brought)[32]) {
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      std::uint32_t sum = 0;
      for (int source = 0; source < 32; ++source) {
        const int lane = source % 16 / 4, shift = 8 * (source % 4);
        const auto* of_row = static_cast<const ProductLane*>(brought[row % 8 * 4 + lane]);
        const auto* of_column = static_cast<const ProductLane*>(brought[column * 4 + lane]);
        const auto weight =
            static_cast<Weight>(of_row->weights[row / 8 + source / 16 * 2] >> shift);
        const auto level = static_cast<std::uint8_t>(of_column->levels[source / 16] >> shift);
        sum += static_cast<std::uint32_t>(weight * level);
      }
      const auto* target = static_cast<const ProductLane*>(brought[row % 8 * 4 + column / 2]);
      std::int32_t& total = target->sums[row / 8 * 2 + column % 2];
      total = static_cast<std::int32_t>(static_cast<std::uint32_t>(total) + sum);
    }
  }
}

void multiply_in_warp(Site site, ProductLane lane, bool is_signed) {
  act_in_warp(site, &lane, is_signed ? multiply_lanes<std::int8_t> : multiply_lanes<std::uint8_t>);
}

}  // namespace cuda_on_cpu
