// Draws geometries, images, jobs and options from bytes. Sizes are small, so that a second tries
// thousands.
#include "drawn_request.h"

#include <algorithm>

#include "perturb/perturb.h"

namespace fuzz {
namespace {

constexpr int kRarely = 32;  // times for one number that the contract forbids, or that is far off

int draw_edge(InputBytes& bytes, int most) {
  if (bytes.one_in(kRarely)) return bytes.raw<std::int32_t>();
  return bytes.whole(1, most);
}

vrs::LevelTable draw_table(InputBytes& bytes) {
  vrs::Normalisation normalisation{255, 0.5F, 0.25F};
  const bool is_odd = bytes.one_in(8);
  if (is_odd) {  // zeros, infinities and NaN among them
    normalisation = {bytes.raw<float>(), bytes.raw<float>(), bytes.raw<float>()};
  }
  const bool is_looked_up = bytes.one_in(4);
  float values[256];
  for (int level = 0; level < 256; ++level) {
    const float scaled = static_cast<float>(level) / normalisation.divisor;
    values[level] = (scaled - normalisation.mean) / normalisation.std;
    if (is_looked_up) values[level] = static_cast<float>(7 * level % 256);
  }
  return vrs::make_level_table(values, normalisation);
}

void draw_blocks(InputBytes& bytes, vrs::Geometry& geometry) {
  vrs::Blocks& blocks = geometry.blocks;
  blocks = {bytes.whole(1, 9), bytes.whole(1, 9), bytes.whole(1, 3), bytes.whole(1, 3)};
  geometry.crop_height = blocks.height * blocks.merge * bytes.whole(1, 3);
  geometry.crop_width = blocks.width * blocks.merge * bytes.whole(1, 3);
  if (!bytes.one_in(kRarely)) return;
  int* fields[] = {&blocks.height, &blocks.width, &blocks.merge, &blocks.repeats};
  *fields[bytes.whole(0, 3)] = bytes.raw<std::int32_t>();
}

vrs::Geometry draw_geometry(InputBytes& bytes) {
  vrs::Geometry geometry;
  geometry.pad_to_square = bytes.one_in(4);
  geometry.pad_colour = {static_cast<std::uint8_t>(bytes.byte()), 0, 255};
  geometry.resize = static_cast<vrs::ResizeMode>(bytes.whole(0, 2));
  geometry.resize_height = draw_edge(bytes, 70);
  geometry.resize_width = draw_edge(bytes, 70);
  geometry.crop_height = draw_edge(bytes, 70);
  geometry.crop_width = draw_edge(bytes, 70);
  geometry.filter = static_cast<vrs::Filter>(bytes.whole(0, 2));
  geometry.arithmetic = static_cast<vrs::Arithmetic>(bytes.whole(0, 1));
  geometry.pass_order = static_cast<vrs::PassOrder>(bytes.whole(0, 2));
  geometry.tables.fill(draw_table(bytes));
  if (bytes.one_in(3)) geometry.tables[bytes.whole(0, 2)] = draw_table(bytes);
  if (bytes.one_in(3)) draw_blocks(bytes, geometry);
  return geometry;
}

// Noise, or levels 0 and 255 alone, or one level: each has paths of its own.
void fill_levels(InputBytes& bytes, std::vector<std::uint8_t>& memory) {
  const int content = bytes.whole(0, 2);
  std::uint32_t state = bytes.raw<std::uint16_t>() + 1U;
  for (std::uint8_t& level : memory) {
    if (content < 2) state = state * 1664525U + 1013904223U;  // Numerical Recipes, section 7.1
    level = static_cast<std::uint8_t>(content == 1 ? (state >> 31) * 255 : state >> 24);
  }
}

DrawnImage draw_image(InputBytes& bytes) {
  DrawnImage image;
  vrs::ImageView& view = image.view;
  view.height = bytes.whole(1, 70);
  view.width = bytes.whole(1, 70);
  if (bytes.one_in(8))
    (bytes.one_in(2) ? view.height : view.width) *= 13;  // several bands or vectors
  view.channels = bytes.whole(3, 4);
  const int packed = view.width * view.channels;
  const int padding = bytes.one_in(4) ? bytes.whole(1, 20) : 0;
  view.row_stride = packed + padding;
  image.memory.resize(static_cast<std::size_t>(view.row_stride * view.height - padding));
  fill_levels(bytes, image.memory);
  view.pixels = image.memory.data();
  if (bytes.one_in(8)) {
    view.pixels += (view.height - 1) * view.row_stride;
    view.row_stride = -view.row_stride;
  }
  if (bytes.one_in(kRarely)) {  // sizes that are refused before a pixel is read
    if (bytes.one_in(2)) view.pixels = nullptr;
    view.height = std::min(bytes.raw<std::int32_t>(), 0);
  }
  view.is_on_device = bytes.one_in(128);
  return image;
}

double draw_parameter(InputBytes& bytes, const vrs::ParameterDefinition& parameter) {
  if (bytes.one_in(kRarely)) return bytes.raw<double>();
  // Mostly what changes a small image and is soon computed.
  const bool is_far = bytes.one_in(kRarely);
  const double most = is_far ? parameter.high : std::min(parameter.high, parameter.low + 12);
  const double value = parameter.low + (most - parameter.low) * bytes.byte() / 255;
  return parameter.is_whole ? static_cast<int>(value) : value;
}

vrs::Job draw_job(InputBytes& bytes, int images) {
  vrs::Job job;
  job.image = bytes.one_in(kRarely) ? bytes.raw<std::int32_t>() : bytes.whole(0, images - 1);
  const auto& definition = vrs::kPerturbations[bytes.whole(0, vrs::kPerturbationKinds - 1)];
  job.perturbation.kind = definition.kind;
  for (int i = 0; i < definition.parameter_count; ++i) {
    job.perturbation.parameters[i] = draw_parameter(bytes, definition.parameters[i]);
  }
  job.perturbation.key = {bytes.raw<std::uint16_t>() * std::uint64_t{0x9E3779B97F4A7C15}, 0};
  return job;
}

vrs::Options draw_options(InputBytes& bytes) {
  static const std::vector<std::string> kNames = vrs::simd_names();
  vrs::Options options;
  const int choice = bytes.whole(0, static_cast<int>(kNames.size()));
  if (choice < static_cast<int>(kNames.size())) options.simd = kNames[choice];
  if (bytes.one_in(4)) options.threads = bytes.whole(2, 3);
  if (bytes.one_in(128)) options.threads = bytes.raw<std::int32_t>();
  if (bytes.one_in(128)) options.simd = "auto, portable";
  return options;
}

}  // namespace

DrawnRequest draw_request(InputBytes& bytes) {
  DrawnRequest drawn;
  vrs::Request& request = drawn.request;
  drawn.options = draw_options(bytes);
  request.geometry = draw_geometry(bytes);
  request.output_type = static_cast<vrs::OutputType>(bytes.whole(0, 1));
  const int images = bytes.whole(1, 3);
  for (int i = 0; i < images; ++i) drawn.images.push_back(draw_image(bytes));
  for (const DrawnImage& image : drawn.images) request.images.push_back(image.view);
  for (int left = bytes.whole(1, 4); left > 0; --left) {
    request.jobs.push_back(draw_job(bytes, images));
  }
  if (bytes.one_in(4)) {
    request.job_stride = vrs::values_per_job(request.geometry) + bytes.whole(0, 9);
  }
  if (bytes.one_in(128)) request.job_stride = bytes.raw<std::int16_t>();
  if (bytes.one_in(128)) request.jobs.clear();
  if (bytes.one_in(128)) request.images.clear();
  return drawn;
}

}  // namespace fuzz
