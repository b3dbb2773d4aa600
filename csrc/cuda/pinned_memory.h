// Page-locked memory of the host: a device can copy from it while the host continues.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gpu.h"

namespace vrs {

// Lends memory for work that is queued on `stream` during this object's life; it is lent again only
// when the stream has finished that work. If the stream is captured into a graph, every launch of
// the graph reads the memory, so it is kept forever. Thread-safe.
class PinnedMemory {
 public:
  PinnedMemory(std::size_t bytes, cudaStream_t stream);
  ~PinnedMemory();
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;

  std::uint8_t* bytes() const { return block_.bytes; }

  struct Block {
    std::uint8_t* bytes = nullptr;
    std::size_t size = 0;
    int device = 0;               // only its streams may record the event
    cudaEvent_t event = nullptr;  // recorded when the block was given back
  };

 private:
  cudaStream_t stream_;
  bool is_captured_;
  Block block_;
};

}  // namespace vrs
