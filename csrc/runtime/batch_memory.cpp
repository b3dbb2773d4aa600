// Keeps the memory of the batches that were given back last.
#include "batch_memory.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <mutex>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include "per_process.h"

namespace vrs {
namespace {

// Enough for six variants of a 1024 x 1024 image as Qwen2.5-VL's patches, which are 156 MB.
constexpr std::size_t kKeptBytes = std::size_t{256} << 20;
constexpr std::size_t kKeptBlocks = 8;
constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

// Large blocks begin at a huge page.
std::align_val_t alignment_of(std::size_t bytes) {
  return std::align_val_t{bytes < 2 * kHugePage ? kCacheLine : kHugePage};
}

// A batch of 100 MB has 25,000 small pages, whose faults would take as long as the op.
void* allocate(std::size_t bytes) {
  void* memory = operator new(bytes, alignment_of(bytes));
#ifdef MADV_HUGEPAGE
  if (bytes >= 2 * kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);  // a hint: it may fail
#endif
  return memory;
}

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
  operator delete(block.memory, alignment_of(block.bytes));
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
  return allocate(bytes);
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
