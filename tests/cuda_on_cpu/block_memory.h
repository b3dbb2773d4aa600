// The shared memory of the block that runs: filled with 0xFF (floats read NaN, indices run out of
// bounds), each variable between bytes that AddressSanitizer forbids, and for both sanitizers never
// a block's that was before.
#pragma once

#include <cstddef>

#include "happens_before.h"

namespace cuda_on_cpu {

class BlockMemory {
 public:
  static constexpr std::size_t kBytes =
      48 * 1024;  // static shared memory that nvcc accepts for a block
  static constexpr int kMaxVariables = 32;
  static constexpr int kMaxWarps = 32;

  void begin_block();
  void free();  // at the end of it all

  // The memory of a variable, which `site`, an address, stands for; the first call of a block lays
  // it out. Null where the block would take more than there is.
  void* variable(const void* site, std::size_t bytes, std::size_t alignment);

  OrderTag& block_tag() { return arena_->block_tag; }
  OrderTag& warp_tag(int lane) { return arena_->lane_tags[lane]; }

 private:
  static constexpr std::size_t kRedZone = 64;

  struct Variable {
    const void* site;
    void* memory;
  };
  struct Arena {
    OrderTag block_tag;
    OrderTag lane_tags[32 * kMaxWarps];
    alignas(64) unsigned char bytes[kBytes + kMaxVariables * 3 * kRedZone];
  };

  Arena* arena_ = nullptr;
  Variable variables_[kMaxVariables];
  int variable_count_ = 0;
  std::size_t laid_out_ = 0;  // of arena_->bytes, red zones included
  std::size_t taken_ = 0;     // of kBytes
};

}  // namespace cuda_on_cpu
