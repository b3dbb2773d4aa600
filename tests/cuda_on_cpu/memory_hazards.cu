// What the backend locks and transfers of the host's memory: checks of `hazards`.
#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "cuda/pinned_memory.h"
#include "cuda/upload_pieces.h"
#include "hazards.h"

namespace {

constexpr std::size_t kMegabyte = std::size_t{1} << 20;

}  // namespace

// Images of the host go to the device while others are still copied to locked memory, of which
// little is needed then.
void check_uploads() {
  Example small(5, 40, 50, false);
  expect_success(small, "small images");
  expect(machine().uploads.size() == 1, "small images are one transfer");

  machine().uploads.clear();
  Example large(3, 3001, 1401, false);
  large.target.threads = 2;
  large.show_the_middle();
  expect_success(large, "large images");
  std::size_t sum = 0, most = 0;
  for (const std::size_t bytes : machine().uploads) {
    sum += bytes;
    most = std::max(most, bytes);
  }
  expect(machine().uploads.size() >= 5, "large images are several transfers");
  expect(sum >= 3 * std::size_t{3} * 3001 * 1401 && sum < 37 * kMegabyte,
         "all is transferred once");
  expect(most <= 8 * kMegabyte, "no transfer is large");
  expect(machine().most_locked_bytes <= 24 * kMegabyte, "locked memory is used again");
}

// Pieces hold every row once, in order and without gaps, and are no larger than they must be.
void check_pieces() {
  std::mt19937 engine(1);
  const auto draw = [&](int most) { return std::size_t{1} + engine() % most; };
  for (int i = 0; i < 2000; ++i) {
    const std::size_t table_bytes = draw(100), most_bytes = draw(300);
    std::vector<vrs::ImageView> images(draw(4));
    std::vector<vrs::PixelCopy> copies;
    std::size_t offset = table_bytes;
    for (vrs::ImageView& image : images) {
      image.height = static_cast<int>(draw(30));
      copies.push_back({&image, offset, draw(40)});
      offset += image.height * copies.back().pitch;
    }
    std::size_t reached = 0, copy = 0;
    int row = 0;
    for (const vrs::UploadPiece& piece : vrs::cut_upload(table_bytes, copies, most_bytes)) {
      expect(piece.begin == reached, "a piece begins where the one before ends");
      std::size_t filled = piece.begin == 0 ? table_bytes : 0;
      expect(filled > 0 || !piece.bands.empty(), "no piece is empty");
      const std::size_t need = filled > 0 ? filled : piece.bands[0].copy.pitch;
      for (const vrs::RowBand& band : piece.bands) {
        expect(band.copy.image == &images[copy] && band.begin == row && band.end > row,
               "every row");
        expect(band.offset == filled, "a band follows the one before");
        filled += (band.end - band.begin) * band.copy.pitch;
        row = band.end;
        if (row == images[copy].height) ++copy, row = 0;
      }
      expect(piece.bytes == filled && filled <= std::max(most_bytes, need),
             "a piece is as large as it may");
      reached += piece.bytes;
    }
    expect(reached == offset && copy == images.size(), "all images");
    if (!all_right) return;
  }
}

// Locked memory is bounded where the host is far ahead of the device, and afterwards.
void check_locked_memory() {
  machine().is_busy = true;
  Example example(2, 3001, 1401, false);  // 25 MB
  example.show_the_middle();
  for (int i = 0; i < 30; ++i) example.run();
  expect(machine().most_locked_bytes > 400 * kMegabyte, "some calls do not wait for the device");
  expect(machine().most_locked_bytes <= 512 * kMegabyte, "what waits for the device is bounded");
  machine().is_busy = false;
  Example(1, 40, 50, false).run();
  expect(machine().locked_bytes <= 256 * kMegabyte, "what stays is bounded");
}

// The pool's own rules, by small limits.
void check_pool() {
  vrs::PinnedPool pool({64 << 10, 32 << 10});
  const auto lend = [&pool](std::size_t bytes) {
    return vrs::PinnedMemory(bytes, nullptr, pool).bytes();
  };
  lend(5 << 10);
  expect(machine().locked_bytes == 8 << 10, "whole pages");
  lend(8 << 10);
  expect(machine().locked_bytes == 8 << 10, "an idle block is lent again");
  lend(100 << 10);
  expect(machine().most_locked_bytes <= (100 << 10) + (4 << 10),
         "older blocks make room for a large one");
  expect(machine().locked_bytes == 0, "what is beyond the limit is freed when it is given back");

  machine().is_busy = true;
  std::uint8_t* const first = lend(30 << 10);
  lend(30 << 10);
  const int waits = machine().waits;
  expect(lend(20 << 10) == first, "the oldest block is lent again");
  expect(machine().waits == waits + 1, "when the device has read it");
  {
    const vrs::PinnedMemory one(30 << 10, nullptr, pool), other(30 << 10, nullptr, pool),
        third(9 << 10, nullptr, pool);
    expect(machine().locked_bytes > 64 << 10, "a block beyond the limit where all are lent");
  }
  machine().is_busy = false;
  lend(1);
  expect(machine().locked_bytes <= 32 << 10,
         "idle blocks beyond the limit are freed by a later call");

  // Blocks that were lost or not had do not count: there is room for two more.
  fail_next("cudaEventRecord", cudaErrorInvalidResourceHandle);
  lend(30 << 10);
  fail_next("cudaHostAlloc", cudaErrorMemoryAllocation);
  bool has_thrown = false;
  try {
    lend(60 << 10);
  } catch (const std::runtime_error&) {
    has_thrown = true;
  }
  expect(has_thrown, "a failure is thrown");
  machine().is_busy = true;
  std::uint8_t* const second = lend(30 << 10);
  expect(lend(30 << 10) != second, "room for two blocks");
  expect(lend(30 << 10) == second, "and no more");
}

// Threads that lend at once, and wait for each other's blocks where the machine is busy, never have
// the same memory.
void check_pool_by_threads() {
  vrs::PinnedPool pool({64 << 10, 32 << 10});
  std::atomic<bool> is_shared{false};
  const auto lend = [&](int number) {
    std::mt19937 engine(number);
    for (int i = 0; i < 500; ++i) {
      const std::size_t size = 1 + engine() % (20 << 10);
      const vrs::PinnedMemory memory(size, nullptr, pool);
      std::memset(memory.bytes(), number, size);
      if (i % 8 == 0) std::this_thread::yield();
      for (std::size_t k = 0; k < size; ++k) {
        if (memory.bytes()[k] != number) is_shared = true;
      }
    }
  };
  for (const bool is_busy : {false, true}) {
    machine().is_busy = is_busy;
    std::vector<std::thread> threads;
    for (int number = 1; number <= 4; ++number) threads.emplace_back(lend, number);
    for (std::thread& thread : threads) thread.join();
  }
  expect(!is_shared, "memory is lent to one at a time");
  expect(machine().most_locked_bytes <= (64 + 4 * 20 + 4) << 10, "and bounded");
}
