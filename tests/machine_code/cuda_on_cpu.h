// Stands before tests/cuda_on_cpu/cuda_on_cpu.h in the search path: the same, but launches execute
// the machine code that nvcc made of the kernel, where there is some. Link with the .cpp files of
// both folders.
#pragma once

#include "../cuda_on_cpu/cuda_on_cpu.h"

namespace machine_code {

// False if there is no machine code of the kernel.
bool run_kernel(const char* name, dim3 grid, dim3 block, const void* parameter);

// GCC's words for the kernel: "... [with auto kernel = vrs::resample<float>]".
template <auto kernel>
const char* words_of() {
  return __PRETTY_FUNCTION__;
}

}  // namespace machine_code

#undef GPU_LAUNCH
#define GPU_LAUNCH(kernel, grid, block, stream, jobs)                                              \
  (::machine_code::run_kernel(                                                                     \
       ::machine_code::words_of<static_cast<void (*)(decltype(jobs))>(kernel)>(), (grid), (block), \
       (jobs))                                                                                     \
       ? static_cast<void>(0)                                                                      \
       : ::cuda_on_cpu::kernel_to_launch(#kernel, kernel, (grid), (block), (stream))(jobs))
