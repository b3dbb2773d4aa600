// The perturbations: their definitions by name, and the rows of a perturbed image.
//
// All work on the source's own pixels, before padding and resize. They are integer arithmetic on
// tables made once per image, so that every backend can give the same bits. All keep the size of
// the image, except the quarter turns, which exchange its edges. family_*.h holds each definition
// with the rest of its kind; there `round` is floor(x + 0.5), and H x W is the image's size.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "contract/preprocess.h"
#include "families.h"
#include "perturb_kernels.h"
#include "perturbation_parts.h"

namespace vrs {

#define VRS_ONE_MORE(name, Kind) +1
constexpr int kPerturbationKinds = VRS_PERTURBATIONS(VRS_ONE_MORE);
#undef VRS_ONE_MORE

// In the order of PerturbationKind, whose values are 0, 1, 2 ...
constexpr std::array<PerturbationDefinition, kPerturbationKinds> list_perturbations() {
  std::array<PerturbationDefinition, kPerturbationKinds> list{};
  for (int i = 0; i < kPerturbationKinds; ++i) {
    list[i] = with_kind(static_cast<PerturbationKind>(i),
                        [](auto kind) { return decltype(kind)::kDefinition; });
  }
  return list;
}
constexpr auto kPerturbations = list_perturbations();

// The rows of a perturbed image.
class RowWriter {
 public:
  explicit RowWriter(const HostSource& source) : source_(source) {}
  virtual ~RowWriter() = default;

  const HostSource& source() const { return source_; }

  // As PerturbedImage::write_rows.
  virtual void write_rows(int y, int count, std::uint8_t* out, std::ptrdiff_t pitch) const = 0;

 private:
  HostSource source_;
};

// One perturbation of one image, with the tables that its definition makes once from both.
class PerturbedImage {
 public:
  PerturbedImage(const ImageView& image, const Perturbation& perturbation,
                 const PerturbKernels& kernels);

  const ImageView& source() const { return rows_->source().image; }
  int height() const { return perturbed_size(source(), kind()).height; }
  int width() const { return perturbed_size(source(), kind()).width; }
  PerturbationKind kind() const { return rows_->source().perturbation.kind; }

  // Of an occlusion: occluded_region().
  Region occluded() const;

  // Writes rows `y` .. `y` + count - 1, of height() rows, as packed RGB pixels, `pitch` bytes from
  // one row to the next. Thread-safe.
  void write_rows(int y, int count, std::uint8_t* out, std::ptrdiff_t pitch) const {
    rows_->write_rows(y, count, out, pitch);
  }

 private:
  std::shared_ptr<const RowWriter> rows_;
};

}  // namespace vrs
