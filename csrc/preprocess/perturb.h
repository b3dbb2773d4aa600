// The perturbations: their names, how many parameters each takes, and their pixels.
#pragma once

#include <array>
#include <cstdint>

#include "preprocess.h"

namespace vrs {

struct PerturbationDefinition {
  PerturbationKind kind;
  const char* name;
  int parameter_count;
};

constexpr PerturbationDefinition kPerturbations[] = {
    {PerturbationKind::identity, "identity", 0},
    {PerturbationKind::blank, "blank", 3},
};

// check_perturbation has established that the parameters are whole numbers in 0..255.
inline std::array<std::uint8_t, 3> blank_colour(const Perturbation& perturbation) {
  std::array<std::uint8_t, 3> colour{};
  for (int c = 0; c < 3; ++c) colour[c] = static_cast<std::uint8_t>(perturbation.parameters[c]);
  return colour;
}

// Writes row `y` of the perturbed image to `out` as image.width packed RGB pixels.
void perturb_row(const ImageView& image, const Perturbation& perturbation, int y,
                 std::uint8_t* out);

}  // namespace vrs
