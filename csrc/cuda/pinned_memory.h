// Page-locked memory of the host: a device can copy from it while the host continues.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

#include "gpu.h"

namespace vrs {

struct PinnedBlock {
  std::uint8_t* bytes = nullptr;
  std::size_t size = 0;
  int device = 0;               // only its streams may record the event
  cudaEvent_t event = nullptr;  // recorded when the block was given back
};

// Keeps blocks that were given back, since locking pages takes milliseconds. Thread-safe.
class PinnedPool {
 public:
  // Most bytes that are locked at a time, and of those most that stay with nothing to do. Locked
  // memory is lost to all else on the machine.
  struct Limits {
    std::size_t locked = std::size_t{512} << 20;
    std::size_t kept = std::size_t{256} << 20;
  };
  explicit PinnedPool(const Limits& limits) : limits_(limits) {}

  // A block of at least `size` bytes that no device reads. Where it would exceed the limit, waits
  // for the block that was given back first; exceeds it only if all blocks are lent.
  PinnedBlock take(std::size_t size, int device);

  // The block's event has been recorded.
  void give_back(const PinnedBlock& block);

  // The block is lost: nobody knows when the device has read it.
  void give_up(const PinnedBlock& block);

  // A block that is never given back, beyond all limits.
  static PinnedBlock make(std::size_t size, int device);

 private:
  bool pop_idle(std::size_t size, int device, PinnedBlock& block);
  bool pop_oldest(PinnedBlock& block);
  void trim();

  const Limits limits_;
  std::mutex mutex_;
  std::deque<PinnedBlock> blocks_;  // given back, perhaps still read by a device; the oldest first
  std::size_t locked_ = 0;          // of all blocks, those that are lent included
  std::size_t kept_ = 0;            // of those given back
};

// Lends memory for work that is queued on `stream` during this object's life; it is lent again only
// when the stream has finished that work. If the stream is captured into a graph, every launch of
// the graph reads the memory, so it is kept forever. Thread-safe.
class PinnedMemory {
 public:
  PinnedMemory(std::size_t bytes, cudaStream_t stream);
  PinnedMemory(std::size_t bytes, cudaStream_t stream, PinnedPool& pool);
  ~PinnedMemory();
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;

  std::uint8_t* bytes() const { return block_.bytes; }

 private:
  PinnedPool& pool_;
  cudaStream_t stream_;
  bool is_captured_;
  PinnedBlock block_;
};

}  // namespace vrs
