// Memory for pixel batches, kept for the next batch when one is done with: the system's fresh pages
// take longer than the op itself does for a small image.
#pragma once

#include <cstddef>

namespace vrs {

// At least `bytes`, with any contents. Throws std::bad_alloc. Thread-safe.
void* take_batch_memory(std::size_t bytes);

// Of take_batch_memory, with the same size. Keeps up to 64 MB in all, and frees the rest.
void give_batch_memory_back(void* memory, std::size_t bytes) noexcept;

}  // namespace vrs
