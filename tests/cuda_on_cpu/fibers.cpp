// The switch between stacks: ten instructions on x86-64, ucontext elsewhere.
#include "fibers.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace cuda_on_cpu {
namespace {

constexpr std::size_t kPage = 4096;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kStackBytes =
    256 * 1024;  // red zones widen every frame, and reports are made on this stack
#else
constexpr std::size_t kStackBytes = 64 * 1024;  // touched pages alone take memory
#endif

}  // namespace

#ifdef CUDA_ON_CPU_UCONTEXT

static void start(Fiber& fiber, void (*entry)()) {
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = fiber.stack_bytes;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, entry, 0);
}

CUDA_ON_CPU_UNCHECKED static void swap_stacks(Fiber& from, Fiber& to) {
  swapcontext(&from.context, &to.context);
}

#else

// Stores the callee-saved registers on the stack, the stack pointer in *from, and goes on at `to`.
// The floating-point control words are not switched: kernels do not change them.
extern "C" void cuda_on_cpu_swap_stacks(void** from, void* to);
asm(R"(
.text
.type cuda_on_cpu_swap_stacks, @function
.local cuda_on_cpu_swap_stacks
cuda_on_cpu_swap_stacks:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cuda_on_cpu_swap_stacks, . - cuda_on_cpu_swap_stacks
)");

static void start(Fiber& fiber, void (*entry)()) {
  // As the switch left it: six registers and the address to return to. Above that a null return
  // address, which ends the walk of a sanitizer up the stack and gives `entry` the alignment of a
  // called function.
  void** top = reinterpret_cast<void**>(fiber.stack + fiber.stack_bytes) - 1;
  for (int i = 0; i < 8; ++i) top[-i] = nullptr;
  top[-1] = reinterpret_cast<void*>(entry);
  fiber.stack_pointer = top - 7;
}

CUDA_ON_CPU_UNCHECKED static void swap_stacks(Fiber& from, Fiber& to) {
  cuda_on_cpu_swap_stacks(&from.stack_pointer, to.stack_pointer);
}

#endif

void create_fiber(Fiber& fiber, void (*entry)()) {
  void* memory = mmap(nullptr, kPage + kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kPage, PROT_NONE) != 0) {
    std::perror("cuda_on_cpu: no memory for the stack of a thread");
    std::abort();
  }
  fiber.stack = static_cast<char*>(memory) + kPage;
  fiber.stack_bytes = kStackBytes;
  fiber.fake_stack = nullptr;
  start(fiber, entry);
}

void destroy_fiber(Fiber& fiber) {
  munmap(fiber.stack - kPage, kPage + fiber.stack_bytes);
}

CUDA_ON_CPU_UNCHECKED void switch_fiber(Fiber& from, Fiber& to) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&from.fake_stack, to.stack, to.stack_bytes);
#endif
  swap_stacks(from, to);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

CUDA_ON_CPU_UNCHECKED void arrive_in_new_fiber([[maybe_unused]] Fiber& from) {
#ifdef __SANITIZE_ADDRESS__
  const void* stack = nullptr;
  __sanitizer_finish_switch_fiber(nullptr, &stack, &from.stack_bytes);
  from.stack = static_cast<char*>(const_cast<void*>(stack));
#endif
}

}  // namespace cuda_on_cpu
