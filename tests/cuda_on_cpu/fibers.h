// Fibers: stacks of their own that one operating-system thread switches between. A CUDA thread runs
// on each, so that a barrier can leave it in the middle of the kernel. They tell AddressSanitizer
// which stack is in use.
#pragma once

#include <cstddef>

#if !defined(__x86_64__) && !defined(CUDA_ON_CPU_UCONTEXT)
#define CUDA_ON_CPU_UCONTEXT  // portable, 8 times as slow: it saves the signal mask with a system
                              // call
#endif
#ifdef CUDA_ON_CPU_UCONTEXT
#include <ucontext.h>
#endif

// The scheduler is not part of what is checked: its own reads and writes would look like races
// between the fibers. Nothing of the standard library may be called in such functions: its inline
// functions would be instrumented.
#define CUDA_ON_CPU_UNCHECKED __attribute__((no_sanitize("address", "thread")))

namespace cuda_on_cpu {

struct Fiber {
#ifdef CUDA_ON_CPU_UCONTEXT
  ucontext_t context;
#else
  void* stack_pointer;
#endif
  char* stack;  // lowest usable byte; of the host's fiber only what AddressSanitizer says of it
  std::size_t stack_bytes;
  void* fake_stack;    // AddressSanitizer's
  void* race_context;  // ThreadSanitizer's (happens_before.h)
};

// A fiber that runs `entry`, which never returns. A page below its stack is out of bounds.
void create_fiber(Fiber& fiber, void (*entry)());
void destroy_fiber(Fiber& fiber);

// Leaves `from`, which must be running, for `to`; returns when something switches back to `from`.
void switch_fiber(Fiber& from, Fiber& to);

// To be called first by the entry function of a fiber; `from` is the fiber that switched to it.
void arrive_in_new_fiber(Fiber& from);

}  // namespace cuda_on_cpu
