// What ThreadSanitizer is told: which CUDA thread runs, and what orders one thread's accesses
// before another's. Without -fsanitize=thread all of it is empty.
#pragma once

#include "fibers.h"

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
extern "C" {  // exported by the runtime, declared in no header of GCC
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace cuda_on_cpu {

// A point that accesses are ordered at: what a thread did before release() comes before what
// another does after acquire(). Only its address counts. It keeps what it was given, so that a
// block needs tags of its own.
struct OrderTag {
  long long address;
};

#ifdef __SANITIZE_THREAD__

inline void create_race_context(Fiber& fiber) {
  fiber.race_context = __tsan_create_fiber(0);
}
inline void destroy_race_context(Fiber& fiber) {
  __tsan_destroy_fiber(fiber.race_context);
}
inline void adopt_race_context(Fiber& fiber) {
  fiber.race_context = __tsan_get_current_fiber();
}

// What follows is done in the name of this fiber. It orders nothing by itself (the flag).
CUDA_ON_CPU_UNCHECKED inline void enter_race_context(Fiber& fiber) {
  __tsan_switch_to_fiber(fiber.race_context, __tsan_switch_to_fiber_no_sync);
}
CUDA_ON_CPU_UNCHECKED inline void release(OrderTag& tag) {
  __tsan_release(&tag);
}
CUDA_ON_CPU_UNCHECKED inline void acquire(OrderTag& tag) {
  __tsan_acquire(&tag);
}

// Reports call the fiber so.
CUDA_ON_CPU_UNCHECKED inline void name_race_context(Fiber& fiber, const char* name) {
  __tsan_set_fiber_name(fiber.race_context, name);
}

// Memory that is allocated and freed in between belongs to no thread: nobody has accessed it.
class UnseenAllocation {
 public:
  UnseenAllocation() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~UnseenAllocation() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
};

#else

inline void create_race_context(Fiber&) {}
inline void destroy_race_context(Fiber&) {}
inline void adopt_race_context(Fiber&) {}
inline void enter_race_context(Fiber&) {}
inline void name_race_context(Fiber&, const char*) {}
inline void release(OrderTag&) {}
inline void acquire(OrderTag&) {}
struct UnseenAllocation {
  UnseenAllocation() {}
};

#endif

}  // namespace cuda_on_cpu
