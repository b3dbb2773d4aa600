// The part of a resize that depends on some changed source pixels.
#pragma once

#include "contract/preprocess.h"
#include "cpu_plan.h"

namespace vrs {

// `plan` restricted to the outputs that read a pixel of `region`, each at its place in the output.
// There are none if rows.outputs or columns.outputs is 0.
CpuPlan restrict_plan(const CpuPlan& plan, const Region& region);

}  // namespace vrs
