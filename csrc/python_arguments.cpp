// Reads Python's arguments.
#include "python_arguments.h"

#include <algorithm>

namespace py = pybind11;

namespace vrs::python {
namespace {

// Pixels in a device's memory: (address, height, width, channels, row stride)
using DeviceArray = std::tuple<std::uintptr_t, int, int, int, std::int64_t>;

void fill_tables(const Table& table, const Normalisations& normalisation, Geometry& geometry) {
  if (table.ndim() != 2 || table.shape(0) != 3 || table.shape(1) != 256) {
    throw py::value_error("geometry.table: shape must be (3, 256)");
  }
  for (int c = 0; c < 3; ++c) {
    const auto& [divisor, mean, std] = normalisation[c];
    geometry.tables[c] = make_level_table(table.data(c, 0), {divisor, mean, std});
  }
}

}  // namespace

ImageView view_of(const py::handle& object, const std::string& name) {
  if (py::isinstance<py::tuple>(object)) {
    py::detail::make_caster<DeviceArray> device_array;
    if (!device_array.load(object, true)) {
      throw py::type_error(name + ": (address, height, width, channels, row stride) is needed");
    }
    const auto [address, height, width, channels, row_stride] =
        py::detail::cast_op<DeviceArray>(device_array);
    const auto* pixels = reinterpret_cast<const std::uint8_t*>(address);
    return {pixels, height, width, channels, row_stride, true};
  }
  if (!py::isinstance<py::array_t<std::uint8_t>>(object)) {
    throw py::type_error(name + ": a numpy array of uint8 is needed");
  }
  const auto array = py::reinterpret_borrow<py::array>(object);
  if (array.ndim() != 3) throw py::value_error(name + ": shape must be (height, width, channels)");
  // The stride of an axis of one entry says nothing: numpy leaves any there.
  const bool is_apart = (array.shape(2) > 1 && array.strides(2) != 1) ||
                        (array.shape(1) > 1 && array.strides(1) != array.shape(2));
  if (array.size() > 0 && is_apart) {
    throw py::value_error(name + ": the pixels of a row must be contiguous");
  }
  ImageView view;
  view.pixels = static_cast<const std::uint8_t*>(array.data());
  // Sizes that an int cannot hold become 0, which check_request rejects.
  const auto edge = [](py::ssize_t size) { return size > kMaxEdge ? 0 : int(size); };
  view.height = edge(array.shape(0));
  view.width = edge(array.shape(1));
  view.channels = edge(array.shape(2));
  view.row_stride = array.strides(0);
  return view;
}

Perturbation perturbation_of(const PerturbationTuple& tuple) {
  const auto& [kind, parameters, key_low, key_high] = tuple;
  Perturbation perturbation;
  perturbation.kind = perturbation_kind_from_name(kind);
  perturbation.key = {key_low, key_high};
  const int expected = parameter_count(perturbation.kind);
  if (static_cast<int>(parameters.size()) != expected) {
    throw py::value_error("perturbation " + kind + " takes " + std::to_string(expected) +
                          " parameters, not " + std::to_string(parameters.size()));
  }
  std::copy(parameters.begin(), parameters.end(), perturbation.parameters.begin());
  return perturbation;
}

Geometry make_geometry(const std::string& resize, std::pair<int, int> size,
                       std::pair<int, int> crop, const std::string& filter,
                       const std::string& arithmetic, const std::string& pass_order,
                       const std::string& placement,
                       const std::optional<std::array<std::uint8_t, 3>>& pad_colour,
                       const Table& table, const Normalisations& normalisation,
                       const std::optional<std::tuple<int, int, int, int, bool>>& blocks) {
  Geometry geometry;
  if (blocks) {
    const auto [height, width, merge, repeats, channels_last] = *blocks;
    if (height < 1) throw py::value_error("geometry.blocks: height must be at least 1");
    geometry.blocks = {height, width, merge, repeats, channels_last};
  }
  geometry.resize = named<ResizeMode>(resize, "geometry.resize",
                                      {{"none", ResizeMode::none},
                                       {"exact", ResizeMode::exact},
                                       {"shortest_edge", ResizeMode::shortest_edge}});
  std::tie(geometry.resize_height, geometry.resize_width) = size;
  std::tie(geometry.crop_height, geometry.crop_width) = crop;
  geometry.filter = named<Filter>(
      filter, "geometry.filter",
      {{"bilinear", Filter::bilinear}, {"bicubic", Filter::bicubic}, {"lanczos", Filter::lanczos}});
  geometry.arithmetic =
      named<Arithmetic>(arithmetic, "geometry.arithmetic",
                        {{"pillow", Arithmetic::pillow}, {"torchvision", Arithmetic::torchvision}});
  geometry.pass_order = named<PassOrder>(pass_order, "geometry.pass_order",
                                         {{"horizontal_first", PassOrder::horizontal_first},
                                          {"pillow12_2", PassOrder::pillow12_2},
                                          {"pillow13", PassOrder::pillow13}});
  geometry.placement = named<Placement>(placement, "geometry.placement",
                                        {{"centre", Placement::centre},
                                         {"upper_left", Placement::upper_left},
                                         {"corner", Placement::corner}});
  geometry.pad_to_square = pad_colour.has_value();
  if (pad_colour) geometry.pad_colour = *pad_colour;
  fill_tables(table, normalisation, geometry);
  return geometry;
}

Request make_request(const py::list& images, const JobPairs& jobs, const Geometry& geometry) {
  Request request;
  request.geometry = geometry;
  for (std::size_t i = 0; i < images.size(); ++i) {
    request.images.push_back(view_of(images[i], "images[" + std::to_string(i) + "]"));
  }
  for (const auto& [image, perturbation] : jobs) {
    request.jobs.push_back({image, perturbation_of(perturbation)});
  }
  check_request(request);
  return request;
}

}  // namespace vrs::python
