// Writes the rows of perturbed images, each kind's by the functions of its family.
#include "perturb.h"

#include <type_traits>
#include <utility>

namespace vrs {
namespace {

// Names the device's half of each kind, so that builds without CUDA also fail if it is missing.
using LayOut = void(const Perturbation&, DeviceWriter&);
using FindSource = Place(const DeviceImage&, const DevicePerturbation&, int, int);
using KeepsRun = bool(const DeviceImage&, const DevicePerturbation&, int, int);
using ChangeRun = void(const DevicePerturbation&, const BlockTables&, int, int,
                       Pixel (&)[kRunPixels]);

template <typename Kind>
constexpr bool has_device_half() {
  static_assert(std::is_same_v<decltype(Kind::lay_out), LayOut>);
  static_assert(std::is_same_v<decltype(Kind::change_run), ChangeRun>);
  static_assert(std::is_same_v<decltype(Kind::kShowsImage), const bool>);
  static_assert(std::is_same_v<decltype(Kind::kChangesLevels), const bool>);
  if constexpr (Kind::kIsMoving) {
    static_assert(std::is_same_v<decltype(Kind::find_source), FindSource>);
    static_assert(std::is_same_v<decltype(Kind::keeps_run), KeepsRun>);
  }
  return true;
}
#define VRS_CHECK_KIND(name, Kind)                                 \
  static_assert(Kind::kDefinition.kind == PerturbationKind::name); \
  static_assert(has_device_half<Kind>());
VRS_PERTURBATIONS(VRS_CHECK_KIND)
#undef VRS_CHECK_KIND

template <typename Kind>
class RowsOf final : public RowWriter {
 public:
  // Not inlined: otherwise all kinds' loops over the image would share the registers of one
  // function.
  [[gnu::noinline]] explicit RowsOf(const HostSource& source)
      : RowWriter(source), derived_(Kind::derive(source)) {}

  void write_rows(int y, int count, std::uint8_t* out, std::ptrdiff_t pitch) const override {
    Kind::write_rows(source(), derived_, y, count, out, pitch);
  }

 private:
  decltype(Kind::derive(std::declval<const HostSource&>())) derived_;
};

}  // namespace

Size perturbed_size(const ImageView& image, PerturbationKind kind) {
  const bool is_turned = with_kind(kind, [](auto each) { return decltype(each)::kIsTurned; });
  return is_turned ? Size{image.width, image.height} : Size{image.height, image.width};
}

PerturbedImage::PerturbedImage(const ImageView& image, const Perturbation& perturbation,
                               const PerturbKernels& kernels)
    : rows_(with_kind(perturbation.kind, [&](auto kind) -> std::shared_ptr<const RowWriter> {
        return std::make_shared<const RowsOf<decltype(kind)>>(
            HostSource{image, perturbation, kernels});
      })) {}

Region PerturbedImage::occluded() const {
  const ImageView& image = source();
  return occluded_region(rows_->source().perturbation, {image.height, image.width});
}

}  // namespace vrs
