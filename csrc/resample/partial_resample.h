// The part of a resize that a change of some source pixels concerns.
#pragma once

#include "contract/preprocess.h"
#include "cpu_plan.h"

namespace vrs {

// `plan` for those of its outputs alone that read a pixel of `region`, each at its place in the
// output. It has none where rows.outputs or columns.outputs is 0.
CpuPlan restrict_plan(const CpuPlan& plan, const Region& region);

}  // namespace vrs
