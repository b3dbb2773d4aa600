// One object per process, made at its first use and never destroyed, since threads may outlive
// main. A forked child makes its own, since another thread may have held the parent's lock.
#pragma once

#include <atomic>
#include <mutex>

#ifndef _WIN32
#include <pthread.h>
#endif

namespace vrs {

template <typename Object>
Object& of_this_process() {
  static std::atomic<Object*> current{nullptr};
  static std::once_flag once;
  std::call_once(once, [] {
    current = new Object;
#ifndef _WIN32
    pthread_atfork(nullptr, nullptr, [] { current = new Object; });
#endif
  });
  return *current;
}

}  // namespace vrs
