// Writes rows of perturbed images.
#include "perturb.h"

#include <algorithm>
#include <cstring>

namespace vrs {
namespace {

void copy_row(const ImageView& image, int y, std::uint8_t* out) {
  const std::uint8_t* source = image.pixels + y * image.row_stride;
  if (image.channels == 3) {
    std::memcpy(out, source, static_cast<std::size_t>(image.width) * 3);
    return;
  }
  for (int x = 0; x < image.width; ++x) std::copy_n(source + 4 * x, 3, out + 3 * x);
}

}  // namespace

void perturb_row(const ImageView& image, const Perturbation& perturbation, int y,
                 std::uint8_t* out) {
  switch (perturbation.kind) {
    case PerturbationKind::identity:
      copy_row(image, y, out);
      break;
    case PerturbationKind::blank: {
      const std::array<std::uint8_t, 3> colour = blank_colour(perturbation);
      for (int x = 0; x < image.width; ++x) std::copy_n(colour.data(), 3, out + 3 * x);
      break;
    }
  }
}

}  // namespace vrs
