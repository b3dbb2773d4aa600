// Runs one image through the CUDA backend in variants: 1 image of HEIGHT x WIDTH to SIZE x SIZE.
//
//   run_variants HEIGHT WIDTH SIZE host|device KIND,PARAMETER,... KIND,PARAMETER,...
//
// The backend lays an image of the host out anew; one on the device is read as it lies, row after
// row without gaps. Returns 1 if the CPU backend gives other bits.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "contract/preprocess.h"

namespace {

vrs::Job read_job(const std::string& text) {
  vrs::Job job;
  std::istringstream words(text);
  std::string word;
  std::getline(words, word, ',');
  job.perturbation.kind = vrs::perturbation_kind_from_name(word);
  for (int i = 0; std::getline(words, word, ','); ++i)
    job.perturbation.parameters[i] = std::stod(word);
  job.perturbation.key = {0x0123456789ABCDEF, 0xFEDCBA9876543210};
  return job;
}

vrs::Geometry square_geometry(int size) {
  vrs::Geometry geometry;
  geometry.resize = vrs::ResizeMode::exact;
  geometry.resize_height = geometry.resize_width = geometry.crop_height = geometry.crop_width =
      size;
  for (vrs::LevelTable& table : geometry.tables) {
    for (int level = 0; level < 256; ++level) table.values[level] = static_cast<float>(level) / 255;
  }
  return geometry;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 6) return 2;
  const int height = std::atoi(arguments[1]), width = std::atoi(arguments[2]);
  std::vector<std::uint8_t> pixels(std::size_t{3} * height * width);
  std::mt19937 random(1);
  for (std::uint8_t& level : pixels) level = static_cast<std::uint8_t>(random());
  vrs::Request request;
  request.images.push_back({pixels.data(), height, width, 3, std::int64_t{3} * width,
                            std::strcmp(arguments[4], "device") == 0});
  request.geometry = square_geometry(std::atoi(arguments[3]));
  for (int i = 5; i < count; ++i) request.jobs.push_back(read_job(arguments[i]));
  const std::size_t values = request.jobs.size() * vrs::values_per_job(request.geometry);
  std::vector<float> on_device(values), on_cpu(values);
  std::vector<std::uint8_t> memory;
  vrs::CudaTarget target;
  target.allocate = [&](std::size_t bytes) {
    memory.resize(bytes + vrs::kDeviceAlignment);
    const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
    return memory.data() + (vrs::kDeviceAlignment - address % vrs::kDeviceAlignment);
  };
  vrs::preprocess_on_device(request, target, on_device.data());
  request.images[0].is_on_device = false;
  vrs::preprocess(request, {1, "portable"}, on_cpu.data());
  const bool is_equal = std::memcmp(on_device.data(), on_cpu.data(), values * sizeof(float)) == 0;
  std::puts(is_equal ? "equal" : "different");
  return is_equal ? 0 : 1;
}
