// A pool of page-locked blocks: locking pages takes milliseconds, so blocks are kept.
#include <algorithm>
#include <mutex>
#include <vector>

#include "capture.h"
#include "cuda_check.h"
#include "pinned_memory.h"

namespace vrs {
namespace {

using Block = PinnedMemory::Block;

// Two blocks are in use if uploads alternate with kernels; the others serve other streams and
// sizes.
constexpr std::size_t kKeptBlocks = 4;

struct Pool {
  std::mutex mutex;
  std::vector<Block> blocks;  // given back, perhaps still read by a device
};

Pool& pool() {
  static Pool* pool = new Pool;  // never destroyed: CUDA may be gone before static objects are
  return *pool;
}

void release(const Block& block) {
  has_succeeded(cudaEventDestroy(block.event));  // nothing is left to do where it has not
  has_succeeded(cudaFreeHost(block.bytes));
}

bool is_idle(const Block& block) {
  return has_succeeded(cudaEventQuery(block.event));
}

// Takes the smallest idle block of `device` that has `size` bytes; an empty block if there is none.
Block take_block(std::size_t size, int device) {
  Pool& kept = pool();
  const std::lock_guard<std::mutex> lock(kept.mutex);
  auto best = kept.blocks.end();
  for (auto block = kept.blocks.begin(); block != kept.blocks.end(); ++block) {
    const bool fits = block->device == device && block->size >= size;
    const bool is_better = best == kept.blocks.end() || block->size < best->size;
    if (fits && is_better && is_idle(*block)) best = block;
  }
  if (best == kept.blocks.end()) return {};
  const Block block = *best;
  kept.blocks.erase(best);
  return block;
}

void give_back(const Block& block) {
  Pool& kept = pool();
  const std::lock_guard<std::mutex> lock(kept.mutex);
  kept.blocks.push_back(block);
  if (kept.blocks.size() <= kKeptBlocks) return;
  const auto smallest =
      std::min_element(kept.blocks.begin(), kept.blocks.end(),
                       [](const Block& a, const Block& b) { return a.size < b.size; });
  if (!is_idle(*smallest)) return;
  release(*smallest);
  kept.blocks.erase(smallest);
}

Block make_block(std::size_t size, int device) {
  Block block;
  block.size = 1;
  while (block.size < size) block.size *= 2;  // so that similar batches share blocks
  block.device = device;
  void* bytes = nullptr;
  check_cuda(cudaHostAlloc(&bytes, block.size, cudaHostAllocDefault), "lock memory of the host");
  block.bytes = static_cast<std::uint8_t*>(bytes);
  const cudaError_t error = cudaEventCreateWithFlags(&block.event, cudaEventDisableTiming);
  if (error != cudaSuccess) has_succeeded(cudaFreeHost(bytes));
  check_cuda(error, "create an event");
  return block;
}

}  // namespace

PinnedMemory::PinnedMemory(std::size_t bytes, cudaStream_t stream)
    : stream_(stream), is_captured_(is_capturing(stream)) {
  const RelaxedCapture relaxed;
  int device = 0;
  check_cuda(cudaGetDevice(&device), "tell the current device");
  if (!is_captured_) block_ = take_block(bytes, device);
  if (block_.bytes == nullptr) block_ = make_block(bytes, device);
}

PinnedMemory::~PinnedMemory() {
  if (is_captured_) return;
  const RelaxedCapture relaxed;
  // Without the event nobody knows when the block is free, so it is given up, not lent again.
  if (has_succeeded(cudaEventRecord(block_.event, stream_))) give_back(block_);
}

}  // namespace vrs
