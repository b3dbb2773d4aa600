// Copies to memory without filling the caches, which is quicker for outputs larger than they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace vrs {

// As memcpy. Other threads see the values after finish_streams() of this one.
inline void stream_copy(void* target, const void* source, std::size_t bytes) {
#ifdef __SSE2__
  constexpr std::size_t kWide = sizeof(__m128i);
  auto* to = static_cast<unsigned char*>(target);
  const auto* from = static_cast<const unsigned char*>(source);
  const std::size_t head = -reinterpret_cast<std::uintptr_t>(to) % kWide;
  if (bytes >= head + kWide) {
    std::memcpy(to, from, head);
    to += head, from += head, bytes -= head;
    for (; bytes >= kWide; to += kWide, from += kWide, bytes -= kWide) {
      _mm_stream_si128(reinterpret_cast<__m128i*>(to),
                       _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    }
  }
  std::memcpy(to, from, bytes);
#else
  std::memcpy(target, source, bytes);
#endif
}

// Past the caches or through them.
inline void copy_bytes(void* target, const void* source, std::size_t bytes, bool streams) {
  if (streams) {
    stream_copy(target, source, bytes);
  } else {
    std::memcpy(target, source, bytes);
  }
}

inline void finish_streams() {
#ifdef __SSE2__
  _mm_sfence();
#endif
}

}  // namespace vrs
