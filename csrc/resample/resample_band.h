// Computes one band of output rows of one image: from source rows to normalised planes.
#pragma once

#include "contract/preprocess.h"
#include "cpu_plan.h"
#include "output_rows.h"
#include "row_source.h"

namespace vrs {

// Computes kept output rows [begin, end) of the plan and writes them to `outputs`, each the image's
// three planes of geometry.crop_height x crop_width values of `type`. Bands of one image may run at
// the same time. `streams`: past the caches, where all that is written is more than they hold.
void resample_band(const CpuPlan& plan, const RowSource& source, const Geometry& geometry,
                   OutputType type, bool streams, int begin, int end, const OutputSet& outputs);

}  // namespace vrs
