// Lays shared variables out in an arena, with red zones.
#include "block_memory.h"

#include <cstdint>
#include <cstdlib>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes)
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes)
#endif

namespace cuda_on_cpu {

// By hand: ThreadSanitizer would take memset for an access of the thread that laid the variable
// out.
CUDA_ON_CPU_UNCHECKED static void fill_with_ff(unsigned char* bytes, std::size_t count) {
  volatile unsigned char* byte = bytes;
  for (; count > 0 && reinterpret_cast<std::uintptr_t>(byte) % 8 != 0; --count) *byte++ = 0xFF;
  for (; count >= 8; count -= 8, byte += 8)
    *reinterpret_cast<volatile std::uint64_t*>(byte) = ~std::uint64_t{0};
  for (; count > 0; --count) *byte++ = 0xFF;
}

void BlockMemory::free() {
  UnseenAllocation unseen;
  if (arena_ == nullptr) return;
  ASAN_UNPOISON_MEMORY_REGION(arena_->bytes, sizeof(arena_->bytes));
  std::free(arena_);
  arena_ = nullptr;
}

// ThreadSanitizer forgets the accesses and the order tags of memory that is freed; otherwise
// filling it anew does.
void BlockMemory::begin_block() {
#ifdef __SANITIZE_THREAD__
  free();
#endif
  if (arena_ == nullptr) {
    UnseenAllocation unseen;
    void* memory = nullptr;
    if (posix_memalign(&memory, alignof(Arena), sizeof(Arena)) != 0) std::abort();
    arena_ = static_cast<Arena*>(memory);
  }
  ASAN_POISON_MEMORY_REGION(arena_->bytes, sizeof(arena_->bytes));
  variable_count_ = 0;
  laid_out_ = 0;
  taken_ = 0;
}

CUDA_ON_CPU_UNCHECKED void* BlockMemory::variable(const void* site, std::size_t bytes,
                                                  std::size_t alignment) {
  for (int i = 0; i < variable_count_; ++i) {
    if (variables_[i].site == site) return variables_[i].memory;
  }
  if (variable_count_ == kMaxVariables || taken_ + bytes > kBytes || alignment >= kRedZone) {
    return nullptr;
  }
  // No better aligned than the type asks for, as on the GPU: the undefined-behaviour sanitizer then
  // sees a wide access that counts on more.
  unsigned char* memory = arena_->bytes + (laid_out_ / kRedZone + 2) * kRedZone + alignment;
  ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
  fill_with_ff(memory, bytes);
  laid_out_ = static_cast<std::size_t>(memory - arena_->bytes) + bytes;
  taken_ += bytes;
  variables_[variable_count_++] = {site, memory};
  return memory;
}

}  // namespace cuda_on_cpu
