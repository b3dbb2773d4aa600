// A pool of threads that sleep between calls; it grows to the largest number asked for. A forked
// child has none of its threads, and a pool of its own.
#include "thread_pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "per_process.h"

namespace vrs {
namespace {

// One call of run_tasks. Workers that come late find no task, and touch nothing of the caller.
struct Batch {
  const std::function<void(int)>* task;
  int count;
  std::atomic<int> next{0};
  std::mutex mutex;
  std::condition_variable is_done;
  int done = 0;
  std::exception_ptr error;

  Batch(const std::function<void(int)>& function, int size) : task(&function), count(size) {}

  void work() {
    int finished = 0;
    for (int i = next++; i < count; i = next++, ++finished) run(i);
    if (finished == 0) return;
    const std::lock_guard<std::mutex> lock(mutex);
    done += finished;
    if (done == count) is_done.notify_all();
  }

  void wait() {
    std::unique_lock<std::mutex> lock(mutex);
    is_done.wait(lock, [this] { return done == count; });
    if (error) std::rethrow_exception(error);
  }

 private:
  void run(int i) {
    try {
      (*task)(i);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex);
      if (!error) error = std::current_exception();
    }
  }
};

class Pool {
 public:
  void invite(const std::shared_ptr<Batch>& batch, int helpers) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (; workers_ < helpers; ++workers_) std::thread([this] { serve(); }).detach();
    for (int i = 0; i < helpers; ++i) invitations_.push_back(batch);
    has_invitation_.notify_all();
  }

 private:
  void serve() {
    for (;;) {
      std::shared_ptr<Batch> batch;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        has_invitation_.wait(lock, [this] { return !invitations_.empty(); });
        batch = std::move(invitations_.front());
        invitations_.pop_front();
      }
      batch->work();
    }
  }

  std::mutex mutex_;
  std::condition_variable has_invitation_;
  std::deque<std::shared_ptr<Batch>> invitations_;
  int workers_ = 0;
};

}  // namespace

void run_tasks(int count, int threads, const std::function<void(int)>& task) {
  const int helpers = std::min(threads, count) - 1;
  if (helpers <= 0) {
    for (int i = 0; i < count; ++i) task(i);
    return;
  }
  const auto batch = std::make_shared<Batch>(task, count);
  of_this_process<Pool>().invite(batch, helpers);
  batch->work();
  batch->wait();
}

}  // namespace vrs
