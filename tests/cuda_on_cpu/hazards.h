// What the programs of hazards share: a request that is run and compared, and what was found wrong.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "contract/preprocess.h"
#include "machine.h"
#include "perturb/perturb.h"

using cuda_on_cpu::fail_next;
using cuda_on_cpu::machine;

inline bool all_right = true;

inline void expect(bool right, const std::string& what) {
  if (!right) std::printf("wrong: %s\n", what.c_str());
  all_right = all_right && right;
}

// A request, its memory on the device and what the CPU makes of it.
class Example {
 public:
  // `count` images of this size on the host or the device, each as it is.
  Example(int count, int height, int width, bool is_on_device) {
    for (int i = 0; i < count; ++i) {
      auto& pixels = pixels_.emplace_back(std::size_t{3} * height * width);
      for (std::size_t k = 0; k < pixels.size(); ++k)
        pixels[k] = static_cast<std::uint8_t>(k * (i + 3) >> 3);
      request.images.push_back({pixels.data(), height, width, 3, 3 * width, is_on_device});
      request.jobs.push_back({i, {}});
    }
    vrs::Geometry& geometry = request.geometry;
    geometry.resize_height = geometry.crop_height = geometry.crop_width = 16;
    float values[256];
    for (int level = 0; level < 256; ++level) values[level] = static_cast<float>(level);
    geometry.tables.fill(vrs::make_level_table(values, {}));
  }

  // As large as they are, of which the output shows the middle: kernels on the host are slow.
  void show_the_middle() { request.geometry.resize = vrs::ResizeMode::none; }

  // Every kind, in the middle of what its parameters may be.
  void add_every_kind() {
    for (const auto& definition : vrs::kPerturbations) {
      vrs::Job job;
      job.perturbation.kind = definition.kind;
      for (int i = 0; i < definition.parameter_count; ++i) {
        const auto& parameter = definition.parameters[i];
        job.perturbation.parameters[i] = static_cast<int>((parameter.low + parameter.high) / 2) + 1;
        if (parameter.high <= 1) job.perturbation.parameters[i] = i < 2 ? 0.25 : 0.75;
      }
      request.jobs.push_back(job);
    }
  }

  void run() {
    const std::size_t values = vrs::values_per_job(request.geometry) * request.jobs.size();
    batch_.assign(request.output_type == vrs::OutputType::bfloat16 ? (values + 1) / 2 : values, -1);
    target.allocate = [this](std::size_t bytes) {
      memory_.assign(bytes, 0xCD);
      return memory_.data();
    };
    vrs::preprocess_on_device(request, target, batch_.data());
  }

  // Runs it and compares; tells what was thrown, "" if nothing.
  std::string message_of_run() {
    try {
      run();
    } catch (const std::exception& error) {
      return error.what();
    }
    vrs::Request on_cpu = request;
    for (vrs::ImageView& image : on_cpu.images) image.is_on_device = false;
    std::vector<float> expected(batch_.size(), -1);  // room for either type
    vrs::preprocess(on_cpu, {1, "portable"}, expected.data());
    const bool is_equal = std::memcmp(expected.data(), batch_.data(), 4 * batch_.size()) == 0;
    return is_equal ? "" : "other bits than the CPU's";
  }

  vrs::Request request;
  vrs::CudaTarget target;

 private:
  std::vector<std::vector<std::uint8_t>> pixels_;
  std::vector<std::uint8_t> memory_;
  std::vector<float> batch_;
};

inline void expect_success(Example& example, const std::string& when) {
  const std::string message = example.message_of_run();
  expect(message.empty(), when + ": " + message);
}

// Checks of memory, in memory_hazards.cu.
void check_uploads();
void check_pieces();
void check_locked_memory();
void check_pool();
void check_pool_by_threads();
