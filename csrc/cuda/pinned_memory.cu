// The pool of page-locked blocks, by size, age and what devices have finished.
#include <algorithm>
#include <iterator>

#include "capture.h"
#include "cuda_check.h"
#include "pinned_memory.h"

namespace vrs {
namespace {

void release(const PinnedBlock& block) {
  has_succeeded(cudaEventDestroy(block.event));  // nothing is left to do where it has not
  has_succeeded(cudaFreeHost(block.bytes));
}

bool is_idle(const PinnedBlock& block) {
  return has_succeeded(cudaEventQuery(block.event));
}

bool fits(const PinnedBlock& block, std::size_t size, int device) {
  return block.device == device && block.size >= size;
}

// Up to the next eighth of a power of two, so that similar batches share blocks and little is
// locked for nothing.
std::size_t round_up(std::size_t size) {
  std::size_t step = 4096;  // a page
  while (step * 16 <= size) step *= 2;
  return (size + step - 1) / step * step;
}

PinnedPool& shared_pool() {
  // Never destroyed: CUDA may be gone before static objects are.
  static auto* pool = new PinnedPool(PinnedPool::Limits{});
  return *pool;
}

}  // namespace

PinnedBlock PinnedPool::make(std::size_t size, int device) {
  PinnedBlock block;
  block.size = size;
  block.device = device;
  void* bytes = nullptr;
  check_cuda(cudaHostAlloc(&bytes, size, cudaHostAllocDefault), "lock memory of the host");
  block.bytes = static_cast<std::uint8_t*>(bytes);
  const cudaError_t error = cudaEventCreateWithFlags(&block.event, cudaEventDisableTiming);
  if (error != cudaSuccess) has_succeeded(cudaFreeHost(bytes));
  check_cuda(error, "create an event");
  return block;
}

PinnedBlock PinnedPool::take(std::size_t size, int device) {
  PinnedBlock block;
  const std::size_t rounded = round_up(size);
  {
    std::unique_lock<std::mutex> lock(mutex_);
    if (pop_idle(size, device, block)) return block;
    while (locked_ + rounded > limits_.locked && pop_oldest(block)) {
      lock.unlock();  // others take and give back while this thread waits
      const bool is_read = has_succeeded(cudaEventSynchronize(block.event));
      if (is_read && fits(block, size, device)) return block;
      if (is_read) release(block);  // else the context is broken, and nothing can be freed
      lock.lock();
      locked_ -= block.size;
    }
    locked_ += rounded;
  }
  try {
    return make(rounded, device);
  } catch (...) {
    const std::lock_guard<std::mutex> lock(mutex_);
    locked_ -= rounded;
    throw;
  }
}

// Takes the smallest idle block that fits, if there is one.
bool PinnedPool::pop_idle(std::size_t size, int device, PinnedBlock& block) {
  auto best = blocks_.end();
  for (auto each = blocks_.begin(); each != blocks_.end(); ++each) {
    const bool is_better = best == blocks_.end() || each->size < best->size;
    if (fits(*each, size, device) && is_better && is_idle(*each)) best = each;
  }
  if (best == blocks_.end()) return false;
  block = *best;
  kept_ -= best->size;
  blocks_.erase(best);
  return true;
}

bool PinnedPool::pop_oldest(PinnedBlock& block) {
  if (blocks_.empty()) return false;
  block = blocks_.front();
  kept_ -= block.size;
  blocks_.pop_front();
  return true;
}

void PinnedPool::give_back(const PinnedBlock& block) {
  const std::lock_guard<std::mutex> lock(mutex_);
  blocks_.push_back(block);
  kept_ += block.size;
  trim();
}

void PinnedPool::give_up(const PinnedBlock& block) {
  const std::lock_guard<std::mutex> lock(mutex_);
  locked_ -= block.size;
}

// Frees the oldest idle blocks beyond the limit. Blocks that a device still reads stay until a
// later call.
void PinnedPool::trim() {
  for (auto block = blocks_.begin(); block != blocks_.end() && kept_ > limits_.kept;) {
    if (!is_idle(*block)) {
      ++block;
      continue;
    }
    release(*block);
    kept_ -= block->size;
    locked_ -= block->size;
    block = blocks_.erase(block);
  }
}

PinnedMemory::PinnedMemory(std::size_t bytes, cudaStream_t stream)
    : PinnedMemory(bytes, stream, shared_pool()) {}

PinnedMemory::PinnedMemory(std::size_t bytes, cudaStream_t stream, PinnedPool& pool)
    : pool_(pool), stream_(stream), is_captured_(is_capturing(stream)) {
  const RelaxedCapture relaxed;
  int device = 0;
  check_cuda(cudaGetDevice(&device), "tell the current device");
  block_ = is_captured_ ? PinnedPool::make(bytes, device) : pool_.take(bytes, device);
}

PinnedMemory::~PinnedMemory() {
  if (is_captured_) return;
  const RelaxedCapture relaxed;
  if (has_succeeded(cudaEventRecord(block_.event, stream_))) {
    pool_.give_back(block_);
  } else {
    pool_.give_up(block_);
  }
}

}  // namespace vrs
