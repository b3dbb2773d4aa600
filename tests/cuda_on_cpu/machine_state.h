// What the runtime's calls share with machine.cpp; not for tests.
#pragma once

#include <mutex>

#include "cuda_runtime_on_cpu.h"

namespace cuda_on_cpu {

// To be held by a call while it reads or changes the machine.
std::mutex& machine_mutex();

int& current_device();  // of this thread
cudaStreamCaptureMode& current_capture_mode();

// The failure that a test ordered for this call; cudaSuccess if there is none.
cudaError_t take_failure(const char* call);

// Whether CUDA would refuse an allocation or a question to an event by this thread now.
bool is_forbidden_by_capture();

// What most calls do to the thread's current device.
void make_context();
void load_kernel(const void* kernel);

}  // namespace cuda_on_cpu
