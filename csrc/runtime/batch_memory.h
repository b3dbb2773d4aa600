// Memory for pixel batches; after use it is kept for the next batch. Fresh pages from the system
// would take longer than the op itself for a small image.
#pragma once

#include <cstddef>

namespace vrs {

// At least `bytes` bytes with undefined contents. Throws std::bad_alloc. Thread-safe.
void* take_batch_memory(std::size_t bytes);

// Takes back memory of take_batch_memory, with the same size. Keeps up to 256 MB, frees the rest.
void give_batch_memory_back(void* memory, std::size_t bytes) noexcept;

}  // namespace vrs
