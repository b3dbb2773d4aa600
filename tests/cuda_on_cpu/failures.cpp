// What is said before the program ends.
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "scheduler_state.h"

namespace cuda_on_cpu {
namespace {

void describe_wait(const Thread& thread, char (&text)[512]) {
  int length = std::snprintf(text, sizeof(text), "waits at %s (%s:%d)", thread.site.what,
                             thread.site.file, thread.site.line);
  if (thread.state == kInWarp && length < 480) {
    std::snprintf(text + length, sizeof(text) - length, " for lanes 0x%08x", thread.mask);
  }
}

[[noreturn]] void fail_waiting(Thread& thread, const Thread& other) {
  char what[512], instead[512] = "has exited";
  describe_wait(thread, what);
  if (other.state != kExited) describe_wait(other, instead);
  scheduler->running = &thread;
  fail("%s, but thread (%u, %u, %u) %s", what, other.index.x, other.index.y, other.index.z,
       instead);
}

}  // namespace

void fail_stuck() {
  Thread* const threads = scheduler->threads;
  for (int i = 0; i < scheduler->thread_count; ++i) {
    if (threads[i].state != kInWarp) continue;
    for (int lane = 0; lane < 32; ++lane) {
      const Thread& other = threads[i / 32 * 32 + lane];
      if ((threads[i].mask >> lane & 1) == 0) continue;
      if (other.state != kInWarp || other.mask != threads[i].mask ||
          !is_same_site(other.site, threads[i].site)) {
        fail_waiting(threads[i], other);
      }
    }
  }
  for (int i = 0; i < scheduler->thread_count; ++i) {
    if (threads[i].state != kAtBarrier) continue;
    for (int other = 0; other < scheduler->thread_count; ++other) {
      if (threads[other].state == kExited || !is_same_site(threads[other].site, threads[i].site)) {
        fail_waiting(threads[i], threads[other]);
      }
    }
  }
  std::abort();  // not reached: somebody waits
}

void fail(const char* format, ...) {
  char sentence[1024];
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(sentence, sizeof(sentence), format, arguments);
  va_end(arguments);
  if (scheduler == nullptr || scheduler->running == nullptr) {
    std::fprintf(stderr, "cuda_on_cpu: host code %s\n", sentence);
    std::abort();
  }
  const uint3 thread = scheduler->running->index;
  std::fprintf(stderr, "cuda_on_cpu: kernel %s, block (%u, %u, %u), thread (%u, %u, %u) %s\n",
               scheduler->launch->kernel, blockIdx.x, blockIdx.y, blockIdx.z, thread.x, thread.y,
               thread.z, sentence);
  std::abort();
}

}  // namespace cuda_on_cpu
