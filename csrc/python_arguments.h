// Turns Python's arguments into a vrs::Request, or into an error that names the argument.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "contract/preprocess.h"

namespace vrs::python {

// (kind, parameters, low and high word of the key)
using PerturbationTuple =
    std::tuple<std::string, std::vector<double>, std::uint64_t, std::uint64_t>;
// (divisor, mean, std) of each channel
using Normalisations = std::array<std::tuple<float, float, float>, 3>;
using Table = pybind11::array_t<float, pybind11::array::c_style | pybind11::array::forcecast>;
// (index of the image, its perturbation)
using JobPairs = std::vector<std::pair<int, PerturbationTuple>>;

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
  throw pybind11::value_error(std::string(argument) + ": '" + name +
                              "' is unknown; known: " + known);
}

// A numpy array (height, width, channels) of uint8, or pixels in a device's memory:
// (address, height, width, channels, row stride).
ImageView view_of(const pybind11::handle& object, const std::string& name);

Perturbation perturbation_of(const PerturbationTuple& tuple);

Geometry make_geometry(const std::string& resize, std::pair<int, int> size,
                       std::pair<int, int> crop, const std::string& filter,
                       const std::string& arithmetic, const std::string& pass_order,
                       const std::string& placement,
                       const std::optional<std::array<std::uint8_t, 3>>& pad_colour,
                       const Table& table, const Normalisations& normalisation,
                       const std::optional<std::tuple<int, int, int, int, bool>>& blocks);

// The request of these arguments, checked; its output type is not set yet.
Request make_request(const pybind11::list& images, const JobPairs& jobs, const Geometry& geometry);

}  // namespace vrs::python
