// The parts of a kind of perturbation, for every backend, and the tools to write them.
//
// A family is a header, family_*.h, with kinds that change an image in a similar way. Each kind is
// a struct of static members, which families.h finds by its PerturbationKind. The kinds of a family
// inherit what they share from one struct. A kind that lacks one of these members does not compile:
//
//   kDefinition      its name and parameters; the comment above is the definition
//   kCost            time for a source pixel, in units of the resize alone: measured, and rounded
//   kIsTurned        whether it exchanges the image's edges
//   kShowsImage      whether any pixel of the image is read
//   the CPU backend:
//     derive(source)                        what it makes once of an image, of any type
//     write_rows(source, derived, y, count, out, pitch)
//   the CUDA backend:
//     lay_out(perturbation, writer)         what it makes once of its parameters, for the device
//     kIsMoving                             whether pixels move to other places
//     find_source(image, change, y, x)      if kIsMoving: the source of the pixel shown at (y, x)
//     keeps_run(image, change, y, x)        if kIsMoving: whether eight pixels from (y, x) on are
//                                           neighbours in the source, too, in the same order
//     kChangesLevels                        whether change_run() does anything
//     change_run(change, tables, y, x, run) changes eight pixels
//
// Its twin in Python has the family's name: vrs_lmeval/pixels/reference/.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "contract/preprocess.h"
#include "perturb_kernels.h"
#include "pixel_runs.h"

namespace vrs {

struct ParameterDefinition {
  const char* name;
  double low;
  double high;
  bool is_whole;
};

struct PerturbationDefinition {
  PerturbationKind kind;
  const char* name;
  int parameter_count;
  std::array<ParameterDefinition, kMaxPerturbationParameters> parameters;
};

// An image in the host's memory, how it is changed, and the inner loops for that.
struct HostSource {
  ImageView image;
  Perturbation perturbation;
  const PerturbKernels& kernels;
};

inline const std::uint8_t* row_of(const ImageView& image, int y) {
  return image.pixels + y * image.row_stride;
}

// Pixels [begin, end) of row `y` as packed RGB.
inline void copy_pixels(const HostSource& source, int y, int begin, int end, std::uint8_t* out) {
  const ImageView& image = source.image;
  const std::uint8_t* pixels = row_of(image, y) + std::ptrdiff_t{begin} * image.channels;
  if (image.channels == 3) {
    std::memcpy(out, pixels, static_cast<std::size_t>(end - begin) * 3);
  } else {
    source.kernels.pack_rgb(pixels, end - begin, out);
  }
}

inline void copy_row(const HostSource& source, int y, std::uint8_t* out) {
  copy_pixels(source, y, 0, source.image.width, out);
}

inline void fill_pixels(const std::array<std::uint8_t, 3>& colour, int count, std::uint8_t* out) {
  for (int x = 0; x < count; ++x, out += 3) {
    out[0] = colour[0];
    out[1] = colour[1];
    out[2] = colour[2];
  }
}

// For kinds that derive nothing from an image.
struct Nothing {};

// `Kind` writes its rows one by one, by write_row(source, derived, y, out).
template <typename Kind>
struct RowByRow {
  template <typename Derived>
  static void write_rows(const HostSource& source, const Derived& derived, int y, int count,
                         std::uint8_t* out, std::ptrdiff_t pitch) {
    for (int i = 0; i < count; ++i) Kind::write_row(source, derived, y + i, out + pitch * i);
  }
};

// Lays one job out in device memory, for a kind's lay_out().
class DeviceWriter {
 public:
  // The struct of this perturbation that the kernels will read. Kind and key are set, the rest is
  // 0.
  virtual DevicePerturbation& change() = 0;

  // The size of the image before the perturbation.
  virtual Size image_size() const = 0;

  // Lets another kernel compute an image first; the fused kernel reads it instead of the source.
  virtual void prepare_blur(const std::vector<std::uint16_t>& weights) = 0;
  virtual void prepare_cells(int edge) = 0;
  virtual void prepare_low_pass(int lines) = 0;  // less than the image's shorter edge

  // Lets another kernel compute change().levels.
  virtual void prepare_contrast(double factor) = 0;

  // The address in device memory of `count` values, which must stay valid until all is laid out:
  // use what keep() returned. Values that several jobs share are placed once.
  template <typename T>
  const T* share(const T* values, std::size_t count) {
    return static_cast<const T*>(share_bytes(values, count * sizeof(T)));
  }
  template <typename T>
  const T* share(const std::vector<T>& values) {
    return share(values.data(), values.size());
  }

  // The result of make(), called once for all jobs of the same kind and parameters.
  template <typename Make>
  const auto& keep(const Perturbation& perturbation, const Make& make) {
    return find_kept({perturbation.kind, perturbation.parameters, {}}, make);
  }

  // As keep(), for values that also depend on the key.
  template <typename Make>
  const auto& keep_drawn(const Perturbation& perturbation, const Make& make) {
    return find_kept({perturbation.kind, perturbation.parameters, perturbation.key}, make);
  }

  // Kind, parameters and, for random values, the key.
  using KeptKey = std::tuple<PerturbationKind, std::array<double, kMaxPerturbationParameters>,
                             std::array<std::uint64_t, 2>>;
  using Kept = std::map<KeptKey, std::shared_ptr<const void>>;

 protected:
  // `kept` must outlive what is laid out.
  explicit DeviceWriter(Kept& kept) : kept_(kept) {}
  ~DeviceWriter() = default;
  virtual const void* share_bytes(const void* values, std::size_t bytes) = 0;

 private:
  template <typename Make>
  const auto& find_kept(const KeptKey& key, const Make& make) {
    using Value = decltype(make());  // one for each kind, so that the cast below is right
    std::shared_ptr<const void>& value = kept_[key];
    if (value == nullptr) value = std::make_shared<const Value>(make());
    return *static_cast<const Value*>(value.get());
  }

  Kept& kept_;
};

}  // namespace vrs
