// Lists the families of perturbations, one a line, and finds the parts of a PerturbationKind.
#pragma once

#include "contract/host_device.h"
#include "contract/preprocess.h"
#include "family_covers.h"
#include "family_detail.h"
#include "family_levels.h"
#include "family_noise.h"
#include "family_places.h"

#define VRS_PERTURBATIONS(KIND) \
  VRS_PLACE_KINDS(KIND)         \
  VRS_COVER_KINDS(KIND)         \
  VRS_LEVEL_KINDS(KIND)         \
  VRS_NOISE_KINDS(KIND)         \
  VRS_DETAIL_KINDS(KIND)

namespace vrs {

// Calls use(Kind{}) with the struct of the kind. The switch has no default, so that a kind that no
// family lists does not compile.
template <typename Use>
VRS_HOST_DEVICE constexpr auto with_kind(PerturbationKind kind, const Use& use) {
#define VRS_CASE(name, Kind)   \
  case PerturbationKind::name: \
    return use(Kind{});
  switch (kind) { VRS_PERTURBATIONS(VRS_CASE) }
#undef VRS_CASE
  __builtin_unreachable();  // backends get kinds that have a name
}

}  // namespace vrs
