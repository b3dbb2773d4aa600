// Keeps the values that were used last, by the key that they depend on. Thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

namespace vrs {

template <typename Key, typename Value, std::size_t capacity>
class RecentCache {
 public:
  // The value of the key. If it is not kept, make() makes it; other threads do not wait for that.
  template <typename Make>
  std::shared_ptr<const Value> find(const Key& key, const Make& make) {
    if (auto found = look_up(key)) return found;
    auto made = std::make_shared<const Value>(make());
    const std::lock_guard<std::mutex> lock(mutex_);
    entries_.emplace_front(key, made);  // perhaps twice, if two made it at once: the older one ages
    if (entries_.size() > capacity) entries_.pop_back();
    return made;
  }

 private:
  // Null if the key has no value.
  std::shared_ptr<const Value> look_up(const Key& key) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const auto& entry) { return entry.first == key; });
    if (found == entries_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found);
    return entries_.front().second;
  }

  std::mutex mutex_;
  std::list<std::pair<Key, std::shared_ptr<const Value>>> entries_;  // the last used first
};

}  // namespace vrs
