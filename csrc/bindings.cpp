// The extension module: requests from Python run without the GIL. Besides python_arguments the only
// file with pybind11.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "contract/preprocess.h"
#include "python_arguments.h"
#include "runtime/batch_memory.h"

namespace py = pybind11;
using vrs::python::JobPairs;
using vrs::python::make_request;
using vrs::python::PerturbationTuple;

namespace {

// A float32 array; its memory is kept for a later batch when the array is gone.
py::array new_batch(const std::vector<py::ssize_t>& shape) {
  struct Lease {
    void* memory;
    std::size_t bytes;
  };
  std::size_t bytes = sizeof(float);
  for (const py::ssize_t length : shape) {
    const auto most = std::numeric_limits<py::ssize_t>::max() / static_cast<py::ssize_t>(bytes);
    if (length < 1 || length > most) throw py::value_error("shape: empty, or beyond any memory");
    bytes *= static_cast<std::size_t>(length);
  }
  auto* lease = new Lease{vrs::take_batch_memory(bytes), bytes};
  const py::capsule owner(lease, [](void* held) {
    const std::unique_ptr<Lease> ended(static_cast<Lease*>(held));
    vrs::give_batch_memory_back(ended->memory, ended->bytes);
  });
  return py::array_t<float>(shape, static_cast<const float*>(lease->memory), owner);
}

// The batch's memory: float32, uint16 for bfloat16, or uint8 for levels; new, or the caller's after
// a check. `shape`: of float32.
py::array output_array(const py::object& out, const std::vector<py::ssize_t>& shape) {
  if (out.is_none()) return new_batch(shape);
  const bool is_known = py::isinstance<py::array_t<float>>(out) ||
                        py::isinstance<py::array_t<std::uint16_t>>(out) ||
                        py::isinstance<py::array_t<std::uint8_t>>(out);
  if (!is_known) throw py::type_error("out: a numpy array of float32, uint16 or uint8 is needed");
  auto array = py::reinterpret_borrow<py::array>(out);
  const bool has_shape = array.ndim() == static_cast<py::ssize_t>(shape.size()) &&
                         std::equal(shape.begin(), shape.end(), array.shape());
  if (!has_shape) {
    throw py::value_error("out: shape must be " + std::string(py::str(py::tuple(py::cast(shape)))) +
                          ", not " + std::string(py::str(array.attr("shape"))));
  }
  // The stride of an axis of one entry says nothing: numpy leaves any there.
  py::ssize_t stride = array.itemsize();
  for (py::ssize_t axis = array.ndim() - 1; axis > 0; --axis) {
    if (array.shape(axis) > 1 && array.strides(axis) != stride) {
      throw py::value_error("out: must be C-contiguous");
    }
    stride *= array.shape(axis);
  }
  // The outputs of jobs may be apart.
  const bool is_apart = array.shape(0) > 1;
  if (is_apart && (array.strides(0) < stride || array.strides(0) % array.itemsize() != 0)) {
    throw py::value_error("out: its entries must follow each other");
  }
  if (!array.writeable()) throw py::value_error("out: must be writeable");
  if ((array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) == 0) {
    throw py::value_error("out: must be aligned to its values");
  }
  return array;
}

py::array preprocess(const py::list& images, const JobPairs& jobs, const vrs::Geometry& geometry,
                     int threads, const std::string& simd, const py::object& out) {
  vrs::Request request = make_request(images, jobs, geometry);
  std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(jobs.size()), py::ssize_t{3},
                                 py::ssize_t{geometry.crop_height},
                                 py::ssize_t{geometry.crop_width}};
  if (geometry.blocks.height != 0) {
    shape = {shape[0], static_cast<py::ssize_t>(vrs::values_per_job(geometry))};
  }
  if (py::isinstance<py::array_t<std::uint8_t>>(out)) {
    request.output_type = vrs::OutputType::levels;
    shape = {shape[0], py::ssize_t{geometry.crop_height}, py::ssize_t{geometry.crop_width}, 3};
  } else if (py::isinstance<py::array_t<std::uint16_t>>(out)) {
    request.output_type = vrs::OutputType::bfloat16;
  }
  py::array batch = output_array(out, shape);
  request.job_stride = batch.shape(0) > 1 ? batch.strides(0) / batch.itemsize() : 0;
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
  request.output_type =
      vrs::python::named<vrs::OutputType>(output_type, "output_type",
                                          {{"float32", vrs::OutputType::float32},
                                           {"bfloat16", vrs::OutputType::bfloat16},
                                           {"levels", vrs::OutputType::levels}});
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
  const vrs::ImageView view = vrs::python::view_of(image, "image");
  const vrs::Perturbation change = vrs::python::perturbation_of(perturbation);
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

// A view of an RGB image of Pillow, which exports it as a list of four bytes a pixel in its own
// memory: no copy is made, and the capsule keeps the image alive.
py::array_t<std::uint8_t> view_rgbx(const py::capsule& arrow_array, py::ssize_t height,
                                    py::ssize_t width) {
  const auto* pixels =
      static_cast<const ArrowArray*>(PyCapsule_GetPointer(arrow_array.ptr(), "arrow_array"));
  if (pixels == nullptr) throw py::error_already_set();
  const auto is_edge = [](py::ssize_t edge) { return edge >= 1 && edge <= vrs::kMaxEdge; };
  if (!is_edge(height) || !is_edge(width) || pixels->length != height * width ||
      pixels->offset != 0 || pixels->n_children != 1 ||
      pixels->children[0]->length != 4 * height * width || pixels->children[0]->offset != 0 ||
      pixels->children[0]->n_buffers != 2) {
    throw py::value_error("arrow_array: not one list of four bytes per pixel");
  }
  const auto* bytes = static_cast<const std::uint8_t*>(pixels->children[0]->buffers[1]);
  return py::array_t<std::uint8_t>({height, width, py::ssize_t{4}}, bytes, arrow_array);
}

// (number of devices, the reason if there is none)
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
  module.doc() = "Fused image perturbation and CLIP preprocessing; see csrc/contract/preprocess.h.";
  // module_local: the tests load a second build of this module beside the first.
  py::class_<vrs::Geometry>(module, "Geometry", py::module_local())
      .def(py::init(&vrs::python::make_geometry), py::kw_only(), py::arg("resize"), py::arg("size"),
           py::arg("crop"), py::arg("filter"), py::arg("arithmetic"), py::arg("pass_order"),
           py::arg("placement"), py::arg("pad_colour"), py::arg("table"), py::arg("normalisation"),
           py::arg("blocks") = py::none());
  module.def("preprocess", &preprocess, py::arg("images"), py::arg("jobs"), py::arg("geometry"),
             py::kw_only(), py::arg("threads") = 1, py::arg("simd") = "auto",
             py::arg("out") = py::none());
  module.def("preprocess_on_device", &preprocess_on_device, py::arg("images"), py::arg("jobs"),
             py::arg("geometry"), py::kw_only(), py::arg("out"), py::arg("output_type"),
             py::arg("device"), py::arg("stream"), py::arg("allocate"), py::arg("threads") = 1);
  module.def("new_batch", &new_batch, py::arg("shape"));
  module.def("perturb", &perturb, py::arg("image"), py::arg("perturbation"));
  module.def("view_rgbx", &view_rgbx, py::arg("arrow_array"), py::arg("height"), py::arg("width"));
  module.def("count_devices", &count_devices);
  module.def("build_info", &build_info);
}
