// Runs independent tasks on the calling thread and on a few waiting workers.
#pragma once

#include <functional>

namespace vrs {

// Calls task(i) once for each i in 0..count-1, on at most `threads` threads, and returns when all
// are done. The caller takes tasks too, and never waits for a worker that has not begun one, so a
// busy machine is no slower than one thread. Rethrows the first exception of a task.
void run_tasks(int count, int threads, const std::function<void(int)>& task);

}  // namespace vrs
