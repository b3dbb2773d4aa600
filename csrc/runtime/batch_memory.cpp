// Keeps the memory of the batches that were given back last.
#include "batch_memory.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <mutex>
#include <new>

#include "per_process.h"

namespace vrs {
namespace {

constexpr std::size_t kKeptBytes = std::size_t{64} << 20;
constexpr std::size_t kKeptBlocks = 8;
constexpr std::align_val_t kCacheLine{64};

struct Block {
  void* memory;
  std::size_t bytes;
};

struct Kept {
  std::mutex mutex;
  std::deque<Block> blocks;  // the last given back is the last
  std::size_t bytes = 0;
};

void release(const Block& block) {
  operator delete(block.memory, kCacheLine);
}

}  // namespace

void* take_batch_memory(std::size_t bytes) {
  {
    auto& all = of_this_process<Kept>();
    const std::lock_guard<std::mutex> lock(all.mutex);
    const auto found = std::find_if(all.blocks.rbegin(), all.blocks.rend(),
                                    [=](const Block& block) { return block.bytes == bytes; });
    if (found != all.blocks.rend()) {
      void* memory = found->memory;
      all.bytes -= bytes;
      all.blocks.erase(std::next(found).base());
      return memory;
    }
  }
  return operator new(bytes, kCacheLine);
}

void give_batch_memory_back(void* memory, std::size_t bytes) noexcept {
  auto& all = of_this_process<Kept>();
  const std::lock_guard<std::mutex> lock(all.mutex);
  all.blocks.push_back({memory, bytes});
  all.bytes += bytes;
  while (all.bytes > kKeptBytes || all.blocks.size() > kKeptBlocks) {
    release(all.blocks.front());
    all.bytes -= all.blocks.front().bytes;
    all.blocks.pop_front();
  }
}

}  // namespace vrs
