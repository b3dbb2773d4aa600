// The only file with pybind11: Python arguments become a vrs::Request, which runs without the GIL.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "preprocess/preprocess.h"

namespace py = pybind11;

namespace {

// (kind, parameters, low and high word of the key)
using PerturbationTuple =
    std::tuple<std::string, std::vector<double>, std::uint64_t, std::uint64_t>;
// (divisor, mean, std) of each channel
using Normalisations = std::array<std::tuple<float, float, float>, 3>;
using Table = py::array_t<float, py::array::c_style | py::array::forcecast>;

// Pixels in a device's memory: (address, height, width, channels, row stride)
using DeviceArray = std::tuple<std::uintptr_t, int, int, int, std::int64_t>;

vrs::ImageView view_of(const py::handle& object, const std::string& name) {
  if (py::isinstance<py::tuple>(object)) {
    const auto [address, height, width, channels, row_stride] = object.cast<DeviceArray>();
    const auto* pixels = reinterpret_cast<const std::uint8_t*>(address);
    return {pixels, height, width, channels, row_stride, true};
  }
  if (!py::isinstance<py::array_t<std::uint8_t>>(object)) {
    throw py::type_error(name + ": a numpy array of uint8 is needed");
  }
  const auto array = py::reinterpret_borrow<py::array>(object);
  if (array.ndim() != 3) throw py::value_error(name + ": shape must be (height, width, channels)");
  if (array.size() > 0 && (array.strides(2) != 1 || array.strides(1) != array.shape(2))) {
    throw py::value_error(name + ": the pixels of a row must be contiguous");
  }
  vrs::ImageView view;
  view.pixels = static_cast<const std::uint8_t*>(array.data());
  // Sizes that an int cannot hold become 0, which check_request rejects.
  const auto edge = [](py::ssize_t size) { return size > vrs::kMaxEdge ? 0 : int(size); };
  view.height = edge(array.shape(0));
  view.width = edge(array.shape(1));
  view.channels = edge(array.shape(2));
  view.row_stride = array.strides(0);
  return view;
}

vrs::Perturbation perturbation_of(const PerturbationTuple& tuple) {
  const auto& [kind, parameters, key_low, key_high] = tuple;
  vrs::Perturbation perturbation;
  perturbation.kind = vrs::perturbation_kind_from_name(kind);
  perturbation.key = {key_low, key_high};
  const int expected = vrs::parameter_count(perturbation.kind);
  if (static_cast<int>(parameters.size()) != expected) {
    throw py::value_error("perturbation " + kind + " takes " + std::to_string(expected) +
                          " parameters, not " + std::to_string(parameters.size()));
  }
  std::copy(parameters.begin(), parameters.end(), perturbation.parameters.begin());
  return perturbation;
}

void fill_tables(const Table& table, const Normalisations& normalisation, vrs::Geometry& geometry) {
  if (table.ndim() != 2 || table.shape(0) != 3 || table.shape(1) != 256) {
    throw py::value_error("geometry.table: shape must be (3, 256)");
  }
  for (int c = 0; c < 3; ++c) {
    const auto& [divisor, mean, std] = normalisation[c];
    geometry.tables[c] = vrs::make_level_table(table.data(c, 0), {divisor, mean, std});
  }
}

template <typename Value>
using Names = std::initializer_list<std::pair<const char*, Value>>;

template <typename Value>
Value named(const std::string& name, const char* argument, Names<Value> names) {
  std::string known;
  for (const auto& [candidate, value] : names) {
    if (name == candidate) return value;
    known += known.empty() ? "" : ", ";
    known += candidate;
  }
  throw py::value_error(std::string(argument) + ": '" + name + "' is unknown; known: " + known);
}

vrs::Geometry make_geometry(const std::string& resize, std::pair<int, int> size,
                            std::pair<int, int> crop, const std::string& filter,
                            const std::string& arithmetic, const std::string& pass_order,
                            const std::optional<std::array<std::uint8_t, 3>>& pad_colour,
                            const Table& table, const Normalisations& normalisation) {
  vrs::Geometry geometry;
  geometry.resize = named<vrs::ResizeMode>(resize, "geometry.resize",
                                           {{"none", vrs::ResizeMode::none},
                                            {"exact", vrs::ResizeMode::exact},
                                            {"shortest_edge", vrs::ResizeMode::shortest_edge}});
  std::tie(geometry.resize_height, geometry.resize_width) = size;
  std::tie(geometry.crop_height, geometry.crop_width) = crop;
  geometry.filter = named<vrs::Filter>(filter, "geometry.filter",
                                       {{"bilinear", vrs::Filter::bilinear},
                                        {"bicubic", vrs::Filter::bicubic},
                                        {"lanczos", vrs::Filter::lanczos}});
  geometry.arithmetic = named<vrs::Arithmetic>(
      arithmetic, "geometry.arithmetic",
      {{"pillow", vrs::Arithmetic::pillow}, {"torchvision", vrs::Arithmetic::torchvision}});
  geometry.pass_order =
      named<vrs::PassOrder>(pass_order, "geometry.pass_order",
                            {{"horizontal_first", vrs::PassOrder::horizontal_first},
                             {"pillow12_2", vrs::PassOrder::pillow12_2},
                             {"pillow13", vrs::PassOrder::pillow13}});
  geometry.pad_to_square = pad_colour.has_value();
  if (pad_colour) geometry.pad_colour = *pad_colour;
  fill_tables(table, normalisation, geometry);
  return geometry;
}

// The batch's memory, float32 or, for bfloat16, uint16: allocated, or the caller's after a check.
py::array output_array(const py::object& out, const std::vector<py::ssize_t>& shape) {
  if (out.is_none()) return py::array_t<float>(shape);
  const bool is_known =
      py::isinstance<py::array_t<float>>(out) || py::isinstance<py::array_t<std::uint16_t>>(out);
  if (!is_known) throw py::type_error("out: a numpy array of float32 or uint16 is needed");
  auto array = py::reinterpret_borrow<py::array>(out);
  const bool has_shape = array.ndim() == static_cast<py::ssize_t>(shape.size()) &&
                         std::equal(shape.begin(), shape.end(), array.shape());
  if (!has_shape) {
    throw py::value_error("out: shape must be " + std::string(py::str(py::tuple(py::cast(shape)))) +
                          ", not " + std::string(py::str(array.attr("shape"))));
  }
  if (!(array.flags() & py::array::c_style)) throw py::value_error("out: must be C-contiguous");
  if (!array.writeable()) throw py::value_error("out: must be writeable");
  return array;
}

// (index of the image, its perturbation)
using JobPairs = std::vector<std::pair<int, PerturbationTuple>>;

vrs::Request make_request(const py::list& images, const JobPairs& jobs,
                          const vrs::Geometry& geometry) {
  vrs::Request request;
  request.geometry = geometry;
  for (std::size_t i = 0; i < images.size(); ++i) {
    request.images.push_back(view_of(images[i], "images[" + std::to_string(i) + "]"));
  }
  for (const auto& [image, perturbation] : jobs) {
    request.jobs.push_back({image, perturbation_of(perturbation)});
  }
  vrs::check_request(request);
  return request;
}

py::array preprocess(const py::list& images, const JobPairs& jobs, const vrs::Geometry& geometry,
                     int threads, const std::string& simd, const py::object& out) {
  vrs::Request request = make_request(images, jobs, geometry);
  py::array batch =
      output_array(out, {static_cast<py::ssize_t>(jobs.size()), py::ssize_t{3},
                         py::ssize_t{geometry.crop_height}, py::ssize_t{geometry.crop_width}});
  const bool is_float32 = py::isinstance<py::array_t<float>>(batch);
  request.output_type = is_float32 ? vrs::OutputType::float32 : vrs::OutputType::bfloat16;
  void* planes = batch.mutable_data();
  {
    const py::gil_scoped_release released;
    vrs::preprocess(request, {threads, simd}, planes);
  }
  return batch;
}

// `out`, `stream`: addresses. `allocate(bytes)` gives the address of device memory.
void preprocess_on_device(const py::list& images, const JobPairs& jobs,
                          const vrs::Geometry& geometry, std::uintptr_t out,
                          const std::string& output_type, int device, std::uintptr_t stream,
                          const py::function& allocate, int threads) {
  vrs::Request request = make_request(images, jobs, geometry);
  request.output_type = named<vrs::OutputType>(
      output_type, "output_type",
      {{"float32", vrs::OutputType::float32}, {"bfloat16", vrs::OutputType::bfloat16}});
  vrs::CudaTarget target;
  target.device = device;
  target.stream = reinterpret_cast<void*>(stream);
  target.threads = threads;
  target.allocate = [&](std::size_t bytes) {
    const py::gil_scoped_acquire acquired;
    return reinterpret_cast<void*>(allocate(bytes).cast<std::uintptr_t>());
  };
  const py::gil_scoped_release released;
  vrs::preprocess_on_device(request, target, reinterpret_cast<void*>(out));
}

py::array_t<std::uint8_t> perturb(const py::array& image, const PerturbationTuple& perturbation) {
  const vrs::ImageView view = view_of(image, "image");
  const vrs::Perturbation change = perturbation_of(perturbation);
  const vrs::Size size = vrs::perturbed_size(view, change.kind);
  py::array_t<std::uint8_t> result(
      {py::ssize_t{size.height}, py::ssize_t{size.width}, py::ssize_t{3}});
  std::uint8_t* out = result.mutable_data();
  {
    const py::gil_scoped_release released;
    vrs::perturb(view, change, out);
  }
  return result;
}

// The C data interface of Arrow (arrow.apache.org/docs/format/CDataInterface.html).
struct ArrowArray {
  std::int64_t length, null_count, offset, n_buffers, n_children;
  const void** buffers;
  ArrowArray** children;
  ArrowArray* dictionary;
  void (*release)(ArrowArray*);
  void* private_data;
};

// Pillow exports an RGB image as a list of four bytes a pixel, in its own memory: no copy is made,
// and the capsule keeps the image alive.
py::array_t<std::uint8_t> view_rgbx(const py::capsule& arrow_array, py::ssize_t height,
                                    py::ssize_t width) {
  const auto* pixels =
      static_cast<const ArrowArray*>(PyCapsule_GetPointer(arrow_array.ptr(), "arrow_array"));
  if (pixels == nullptr) throw py::error_already_set();
  if (pixels->length != height * width || pixels->offset != 0 || pixels->n_children != 1 ||
      pixels->children[0]->length != 4 * height * width || pixels->children[0]->offset != 0 ||
      pixels->children[0]->n_buffers != 2) {
    throw py::value_error("arrow_array: not one list of four bytes per pixel");
  }
  const auto* bytes = static_cast<const std::uint8_t*>(pixels->children[0]->buffers[1]);
  return py::array_t<std::uint8_t>({height, width, py::ssize_t{4}}, bytes, arrow_array);
}

// (number, why none)
std::pair<int, std::string> count_devices() {
  std::string reason;
  const int devices = vrs::count_devices(reason);
  return {devices, reason};
}

py::dict build_info() {
  py::dict info;
  info["version"] = VRS_VERSION;
  info["compiler"] = VRS_COMPILER;
  info["backends"] = py::tuple(py::cast(vrs::backend_names()));
  info["simd"] = py::tuple(py::cast(vrs::simd_names()));
  return info;
}

}  // namespace

PYBIND11_MODULE(_native, module) {
  module.doc() =
      "Fused image perturbation and CLIP preprocessing; see csrc/preprocess/preprocess.h.";
  // module_local: the tests load a second build of this module beside the first.
  py::class_<vrs::Geometry>(module, "Geometry", py::module_local())
      .def(py::init(&make_geometry), py::kw_only(), py::arg("resize"), py::arg("size"),
           py::arg("crop"), py::arg("filter"), py::arg("arithmetic"), py::arg("pass_order"),
           py::arg("pad_colour"), py::arg("table"), py::arg("normalisation"));
  module.def("preprocess", &preprocess, py::arg("images"), py::arg("jobs"), py::arg("geometry"),
             py::kw_only(), py::arg("threads") = 1, py::arg("simd") = "auto",
             py::arg("out") = py::none());
  module.def("preprocess_on_device", &preprocess_on_device, py::arg("images"), py::arg("jobs"),
             py::arg("geometry"), py::kw_only(), py::arg("out"), py::arg("output_type"),
             py::arg("device"), py::arg("stream"), py::arg("allocate"), py::arg("threads") = 1);
  module.def("perturb", &perturb, py::arg("image"), py::arg("perturbation"));
  module.def("view_rgbx", &view_rgbx, py::arg("arrow_array"), py::arg("height"), py::arg("width"));
  module.def("count_devices", &count_devices);
  module.def("build_info", &build_info);
}
