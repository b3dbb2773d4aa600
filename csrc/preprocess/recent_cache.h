// The values that were made last, by what they depend on. Thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

namespace vrs {

template <typename Key, typename Value>
class RecentCache {
 public:
  explicit RecentCache(std::size_t capacity) : capacity_(capacity) {}

  // That of the key, made by `make()` if it was not among the last used.
  template <typename Make>
  std::shared_ptr<const Value> find(const Key& key, const Make& make) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const auto& entry) { return entry.first == key; });
    if (found != entries_.end()) {
      entries_.splice(entries_.begin(), entries_, found);
    } else {
      entries_.emplace_front(key, std::make_shared<const Value>(make()));
      if (entries_.size() > capacity_) entries_.pop_back();
    }
    return entries_.front().second;
  }

 private:
  std::mutex mutex_;
  std::size_t capacity_;
  std::list<std::pair<Key, std::shared_ptr<const Value>>> entries_;  // the last used first
};

}  // namespace vrs
