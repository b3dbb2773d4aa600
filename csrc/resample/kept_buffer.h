// Memory that a thread keeps from call to call.
#pragma once

#include <cstddef>
#include <memory>

namespace vrs {

// Memory for kernels: aligned to a cache line, kept from call to call, zero when first used.
template <typename T>
class Buffer {
 public:
  T* reserve(std::size_t count) {
    constexpr std::size_t kLine = 64;
    if (count > size_) {
      storage_ = std::make_unique<unsigned char[]>(count * sizeof(T) + kLine);
      size_ = count;
      void* begin = storage_.get();
      std::size_t space = count * sizeof(T) + kLine;
      data_ = static_cast<T*>(std::align(kLine, count * sizeof(T), begin, space));
    }
    return data_;
  }

 private:
  std::unique_ptr<unsigned char[]> storage_;
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace vrs
