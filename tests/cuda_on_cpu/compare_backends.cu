// Compares the CUDA backend, run on the host, with the CPU backend on random requests: every
// perturbation, geometry and output type, images in either memory.
//
//   compare_backends SEED COUNT      prints "COUNT requests, J jobs: equal" and returns 0, or says
//                                    what differed and returns 1
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>
#include <random>
#include <utility>
#include <vector>

#include "contract/preprocess.h"
#include "perturb/perturb.h"

namespace {

class Dice {
 public:
  explicit Dice(unsigned seed) : engine_(seed) {}

  int whole(int low, int high) {
    return static_cast<int>(low + engine_() % (static_cast<unsigned>(high - low) + 1));
  }
  double real(double low, double high) { return low + (high - low) * engine_() / 4294967295.0; }
  bool flip() { return whole(0, 1) == 1; }

 private:
  std::mt19937 engine_;
};

// Pixels that nothing follows or precedes, so that any access outside is a heap overflow.
struct Source {
  std::vector<std::uint8_t> bytes;
  vrs::ImageView view;
};

Source draw_image(Dice& dice) {
  Source source;
  vrs::ImageView& view = source.view;
  // Now and then over several chunks of both axes; the aspect is up to 1:100 either way.
  const int edge = dice.whole(0, 3) == 0 ? 600 : 90;
  view.height = dice.whole(1, dice.whole(0, 4) == 0 ? 6 : edge);
  view.width = dice.whole(1, dice.whole(0, 4) == 0 ? 6 : edge);
  view.channels = dice.whole(3, 4);
  view.is_on_device = dice.flip();
  // Aligned rows are read eight pixels at a time: half the images end about there, half are
  // aligned.
  if (dice.flip()) view.width = std::max(1, (view.width + 7) / 8 * 8 + dice.whole(-1, 1));
  const int bytes = view.width * view.channels;
  const int padding = dice.flip() ? (bytes + 15) / 16 * 16 - bytes : dice.whole(0, 20);
  view.row_stride = bytes + padding;
  source.bytes.resize(view.row_stride * view.height - padding);
  const bool is_extreme = dice.flip();
  for (std::uint8_t& level : source.bytes) {
    level = static_cast<std::uint8_t>(is_extreme ? 255 * dice.whole(0, 1) : dice.whole(0, 255));
  }
  return source;
}

vrs::Perturbation draw_perturbation(Dice& dice, const vrs::PerturbationDefinition& definition) {
  vrs::Perturbation change;
  change.kind = definition.kind;
  for (int i = 0; i < definition.parameter_count; ++i) {
    const auto& [name, low, high, is_whole] = definition.parameters[i];
    const double most =
        dice.flip() ? high : std::min(high, low + 12);  // else mostly without effect
    const double value = dice.real(low, most);
    change.parameters[i] = is_whole ? static_cast<int>(value) : value;
  }
  for (std::uint64_t& word : change.key) {
    word = static_cast<std::uint64_t>(dice.whole(0, 1 << 30)) << 33 | dice.whole(0, 1 << 30);
  }
  return change;
}

vrs::Geometry draw_geometry(Dice& dice) {
  vrs::Geometry geometry;
  geometry.pad_to_square = dice.whole(0, 3) == 0;
  for (std::uint8_t& level : geometry.pad_colour)
    level = static_cast<std::uint8_t>(dice.whole(0, 255));
  geometry.resize = static_cast<vrs::ResizeMode>(dice.whole(0, 2));
  geometry.resize_height = dice.whole(1, 70);
  geometry.resize_width = dice.whole(1, 70);
  geometry.crop_height = dice.whole(1, 80);
  geometry.crop_width = dice.whole(1, 80);
  geometry.filter = static_cast<vrs::Filter>(dice.whole(0, 2));
  geometry.arithmetic = static_cast<vrs::Arithmetic>(dice.whole(0, 1));
  geometry.pass_order = static_cast<vrs::PassOrder>(dice.whole(0, 2));
  for (vrs::LevelTable& table : geometry.tables) {
    float values[256];
    const vrs::Normalisation normalisation{255, static_cast<float>(dice.real(0, 1)), 0.25F};
    for (int level = 0; level < 256; ++level) {
      values[level] = (level / 255.0F - normalisation.mean) / normalisation.std;
    }
    table = vrs::make_level_table(values, normalisation);
  }
  return geometry;
}

// Cuts the output into blocks.
void cut_output(Dice& dice, vrs::Geometry& geometry) {
  vrs::Blocks& blocks = geometry.blocks;
  blocks.height = dice.whole(1, 20);
  blocks.width = dice.whole(1, 20);
  blocks.merge = dice.whole(1, 3);
  geometry.crop_height = blocks.height * blocks.merge * dice.whole(1, 3);
  geometry.crop_width = blocks.width * blocks.merge * dice.whole(1, 3);
  blocks.channels_last = dice.flip();
  if (!blocks.channels_last) blocks.repeats = dice.whole(1, 3);
}

// The first image as it is and two occlusions of it, which share tiles, anywhere among the jobs;
// half the time where Pillow's vertical pass comes first.
void add_occlusions(Dice& dice, vrs::Request& request) {
  using Kind = vrs::PerturbationKind;
  for (const Kind kind : {Kind::identity, Kind::occlusion, Kind::occlusion}) {
    const auto* definition =
        std::find_if(std::begin(vrs::kPerturbations), std::end(vrs::kPerturbations),
                     [&](const auto& each) { return each.kind == kind; });
    vrs::Perturbation change = draw_perturbation(dice, *definition);
    // Top and bottom, left and right.
    for (int i = 0; i < 2; ++i) {
      if (change.parameters[i] > change.parameters[i + 2])
        std::swap(change.parameters[i], change.parameters[i + 2]);
    }
    const int place = dice.whole(0, static_cast<int>(request.jobs.size()));
    request.jobs.insert(request.jobs.begin() + place, {0, change});
  }
  if (dice.flip()) return;
  vrs::Geometry& geometry = request.geometry;
  geometry.resize = vrs::ResizeMode::exact;
  geometry.arithmetic = vrs::Arithmetic::pillow;
  geometry.pass_order = vrs::PassOrder::pillow13;
  geometry.resize_height = dice.whole(1, 24);
  geometry.resize_width = dice.whole(40, 90);
}

std::vector<std::uint8_t> run(std::size_t bytes, const std::function<void(void*)>& backend) {
  std::vector<std::uint8_t> batch(bytes, 0xAB);
  backend(batch.data());
  return batch;
}

// The jobs of the request, or -1 where the backends differ.
int compare(Dice& dice) {
  std::vector<Source> sources;
  for (int i = dice.whole(1, 3); i > 0; --i) sources.push_back(draw_image(dice));
  vrs::Request request;
  for (Source& source : sources) {
    request.images.push_back(source.view);
    request.images.back().pixels = source.bytes.data();
  }
  for (int i = dice.whole(1, 6); i > 0; --i) {
    const auto& definition = vrs::kPerturbations[dice.whole(0, std::size(vrs::kPerturbations) - 1)];
    const int image = dice.whole(0, static_cast<int>(sources.size()) - 1);
    request.jobs.push_back({image, draw_perturbation(dice, definition)});
  }
  request.geometry = draw_geometry(dice);
  if (dice.whole(0, 2) == 0) add_occlusions(dice, request);
  if (dice.whole(0, 3) == 0) cut_output(dice, request.geometry);
  request.output_type = static_cast<vrs::OutputType>(dice.whole(0, 2));
  if (request.output_type == vrs::OutputType::levels) request.geometry.blocks = {};
  const std::size_t job_bytes =
      vrs::bytes_per_value(request.output_type) * vrs::values_per_job(request.geometry);
  const std::size_t bytes = job_bytes * request.jobs.size();

  std::vector<std::uint8_t> device_memory;
  vrs::CudaTarget target;
  target.allocate = [&](std::size_t count) {
    device_memory.assign(count, 0xCD);
    return device_memory.data();
  };
  target.threads = dice.whole(1, 2);
  const auto on_device =
      run(bytes, [&](void* out) { vrs::preprocess_on_device(request, target, out); });
  for (vrs::ImageView& image : request.images) image.is_on_device = false;
  const auto on_cpu =
      run(bytes, [&](void* out) { vrs::preprocess(request, {1, "portable"}, out); });
  for (std::size_t j = 0; j < request.jobs.size(); ++j) {
    const std::size_t begin = j * job_bytes;
    if (std::memcmp(&on_device[begin], &on_cpu[begin], job_bytes) == 0) continue;
    const vrs::Job& job = request.jobs[j];
    const vrs::ImageView& image = request.images[job.image];
    for (const auto& definition : vrs::kPerturbations) {
      if (definition.kind != job.perturbation.kind) continue;
      std::printf("job %zu differs: %s of an image of %d x %d x %d\n", j, definition.name,
                  image.height, image.width, image.channels);
    }
    return -1;
  }
  return static_cast<int>(request.jobs.size());
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 2;
  const int requests = std::atoi(arguments[2]);
  Dice dice(static_cast<unsigned>(std::atoi(arguments[1])));
  int jobs = 0;
  for (int i = 0; i < requests; ++i) {
    const int compared = compare(dice);
    if (compared < 0) {
      std::printf("request %d of seed %s\n", i, arguments[1]);
      return 1;
    }
    jobs += compared;
  }
  std::printf("%d requests, %d jobs: equal\n", requests, jobs);
  return 0;
}
