// In which order blocks and threads take their turns. CUDA promises none, so that a right kernel
// gives the same in all.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "fibers.h"

namespace cuda_on_cpu {

class ThreadOrder {
 public:
  // As the environment variable says.
  static ThreadOrder from_environment() {
    ThreadOrder order;
    const char* name = std::getenv("CUDA_ON_CPU_ORDER");
    if (name == nullptr || std::strcmp(name, "forward") == 0) return order;
    if (std::strcmp(name, "reverse") == 0) {
      order.kind_ = kReverse;
    } else if (std::strncmp(name, "shuffle:", 8) == 0) {
      order.kind_ = kShuffle;
      order.random_ = std::strtoull(name + 8, nullptr, 10) * 2 + 1;
      order.draw(1);
    } else {
      std::fprintf(stderr,
                   "cuda_on_cpu: CUDA_ON_CPU_ORDER=%s is none of forward, reverse, shuffle:SEED\n",
                   name);
      std::abort();
    }
    return order;
  }

  // To be called before block_at.
  void begin_grid(std::uint64_t blocks) {
    blocks_ = blocks;
    if (kind_ != kShuffle) return;
    first_block_ = draw(blocks);
    do stride_ = 1 + draw(blocks);
    while (common_divisor(stride_, blocks) != 1);
  }

  // Shuffled blocks are an arithmetic progression modulo their number: it needs no memory.
  std::uint64_t block_at(std::uint64_t turn) const {
    if (kind_ == kForward) return turn;
    if (kind_ == kReverse) return blocks_ - 1 - turn;
    return static_cast<std::uint64_t>(
        (static_cast<unsigned __int128>(turn) * stride_ + first_block_) % blocks_);
  }

  // The threads of a block for its next turns: 0..count-1 in some order.
  CUDA_ON_CPU_UNCHECKED void order_threads(int* threads, int count) {
    for (int i = 0; i < count; ++i) threads[i] = kind_ == kReverse ? count - 1 - i : i;
    if (kind_ != kShuffle) return;
    for (int i = count - 1; i > 0; --i) {
      const int other = static_cast<int>(draw(static_cast<std::uint64_t>(i) + 1));
      const int kept = threads[i];
      threads[i] = threads[other];
      threads[other] = kept;
    }
  }

  bool changes_every_turn() const { return kind_ == kShuffle; }

 private:
  enum Kind { kForward, kReverse, kShuffle };

  // xorshift64* (Vigna 2016); 0..below-1
  CUDA_ON_CPU_UNCHECKED std::uint64_t draw(std::uint64_t below) {
    random_ ^= random_ >> 12;
    random_ ^= random_ << 25;
    random_ ^= random_ >> 27;
    return (random_ * 0x2545F4914F6CDD1DULL >> 32) % below;
  }

  static std::uint64_t common_divisor(std::uint64_t a, std::uint64_t b) {
    while (b != 0) {
      const std::uint64_t rest = a % b;
      a = b;
      b = rest;
    }
    return a;
  }

  Kind kind_ = kForward;
  std::uint64_t random_ = 1, blocks_ = 1, first_block_ = 0, stride_ = 1;
};

}  // namespace cuda_on_cpu
