// The perturbations: name, parameters and definition of each, and the rows of a perturbed image.
//
// All work on the source's own pixels, before padding and resize, and are integer arithmetic on
// tables made once per image, so that every backend can give the same bits. All keep the size of
// the image but for the quarter turns, which exchange its edges.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "contract/preprocess.h"
#include "low_pass.h"
#include "perturb_kernels.h"
#include "perturb_tables.h"

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

// Beyond, the noise is under 12 levels at white, and the chance of no photon nears the least
// double.
constexpr int kMaxPhotons = 500;

// `round` is floor(x + 0.5), H x W the image's size. Random numbers are 16-bit words u of Philox,
// eight a draw, row y's word i from draw (y, i / 8).
constexpr PerturbationDefinition kPerturbations[] = {
    // The image as it is.
    {PerturbationKind::identity, "identity", 0, {}},
    // Every pixel of the colour.
    {PerturbationKind::blank,
     "blank",
     3,
     {{{"red", 0, 255, true}, {"green", 0, 255, true}, {"blue", 0, 255, true}}}},
    // level * factor, as PIL's ImageEnhance.Brightness.
    {PerturbationKind::brightness, "brightness", 1, {{{"factor", 0, 16, false}}}},
    // mean + (level - mean) * factor, with the mean of each channel.
    {PerturbationKind::contrast, "contrast", 1, {{{"factor", 0, 16, false}}}},
    // 255 * (level / 255) ^ exponent.
    {PerturbationKind::gamma, "gamma", 1, {{{"exponent", 0.01, 100, false}}}},
    // level + round(sigma * z), minus where u's top bit is set; z is the standard normal quantile
    // at 0.5 + (t + 0.5) / 65536, t being u's lower 15 bits. One word per value.
    {PerturbationKind::gaussian_noise, "gaussian_noise", 1, {{{"sigma", 0, 255, false}}}},
    // Where a pixel's word is under round(share * 65536): black if the word is even, else white.
    {PerturbationKind::impulse_noise, "impulse_noise", 1, {{{"share", 0, 1, false}}}},
    // round(255 * count / photons), at most 255, for the Poisson count of mean level / 255 *
    // photons:
    // the least count whose cumulative probability exceeds (u + 0.5) / 65536. One word per value.
    // ImageNet-C's (Hendrycks and Dietterich, arXiv 1903.12261), which truncates instead.
    {PerturbationKind::shot_noise, "shot_noise", 1, {{{"photons", 1, kMaxPhotons, false}}}},
    // level + round(level * s), minus where u's top bit is set; s is sigma * z in units of 1 /
    // 4096,
    // rounded, and z as in gaussian_noise. One word per value. One of ImageNet-C's extra kinds.
    {PerturbationKind::speckle_noise, "speckle_noise", 1, {{{"sigma", 0, 3, false}}}},
    // Rows, then columns, by Gaussian weights of 1/256 out to 3 sigma, levels rounded in between;
    // beyond the edge the edge's pixels repeat.
    {PerturbationKind::gaussian_blur, "gaussian_blur", 1, {{{"sigma", 0.1, kMaxBlurSigma, false}}}},
    // Reduced to `lines` pixels along the shorter edge s and round(l * (lines / s)) along the
    // longer
    // one l, and enlarged again: Filter::lanczos, Arithmetic::pillow, PassOrder::pillow13. As it is
    // where lines >= s.
    {PerturbationKind::low_pass, "low_pass", 1, {{{"lines", 1, kMaxEdge, true}}}},
    // Cells of edge x edge pixels, counted from the top left corner, take their mean colour.
    {PerturbationKind::pixelate, "pixelate", 1, {{{"edge", 1, kMaxEdge, true}}}},
    // rows x columns patches of floor(H / rows) x floor(W / columns) pixels change places at
    // random;
    // what the grid leaves at the right and bottom stays.
    {PerturbationKind::patch_shuffle,
     "patch_shuffle",
     2,
     {{{"rows", 1, 1024, true}, {"columns", 1, 1024, true}}}},
    // Rows round(top * H) .. round(bottom * H) - 1, and columns likewise, take the colour.
    {PerturbationKind::occlusion,
     "occlusion",
     7,
     {{{"top", 0, 1, false},
       {"left", 0, 1, false},
       {"bottom", 0, 1, false},
       {"right", 0, 1, false},
       {"red", 0, 255, true},
       {"green", 0, 255, true},
       {"blue", 0, 255, true}}}},
    {PerturbationKind::flip_horizontal, "flip_horizontal", 0, {}},
    {PerturbationKind::flip_vertical, "flip_vertical", 0, {}},
    // Counter-clockwise, as PIL's Image.Transpose.
    {PerturbationKind::rotate_90, "rotate_90", 0, {}},
    {PerturbationKind::rotate_180, "rotate_180", 0, {}},
    {PerturbationKind::rotate_270, "rotate_270", 0, {}},
};

// check_perturbation has established that the three from `first` on are whole numbers in 0..255.
std::array<std::uint8_t, 3> colour_parameter(const Perturbation& perturbation, int first);

int round_share(double share, int edge);

// The pixels of an occlusion's rectangle; empty if top >= bottom or left >= right.
Region occluded_region(const Perturbation& perturbation, const Size& image);

// One perturbation of one image, with what its definition derives from them once.
class PerturbedImage {
 public:
  PerturbedImage(const ImageView& image, const Perturbation& perturbation,
                 const PerturbKernels& kernels);

  const ImageView& source() const { return image_; }
  int height() const { return perturbed_size(image_, kind()).height; }
  int width() const { return perturbed_size(image_, kind()).width; }
  PerturbationKind kind() const { return perturbation_.kind; }

  // Of an occlusion: occluded_region().
  Region occluded() const;

  // Writes rows `y` .. `y` + count - 1, of height() rows, as packed RGB pixels, `pitch` bytes from
  // one row to the next. Thread-safe.
  void write_rows(int y, int count, std::uint8_t* out, std::ptrdiff_t pitch) const;

 private:
  void write_row(int y, std::uint8_t* out) const;
  void copy_pixels(int y, int begin, int end, std::uint8_t* out) const;
  void write_mapped(int y, std::uint8_t* out) const;
  void write_gaussian_noise(int y, std::uint8_t* out) const;
  void write_speckle_noise(int y, std::uint8_t* out) const;
  void write_shot_noise(int y, std::uint8_t* out) const;
  void write_impulse_noise(int y, std::uint8_t* out) const;
  void write_blurred(int y, int count, std::uint8_t* out, std::ptrdiff_t pitch) const;
  void blur_line(std::uint8_t* line, int reach, std::uint8_t* out) const;
  void write_pixelated(int y, std::uint8_t* out) const;
  void write_shuffled(int y, std::uint8_t* out) const;
  void write_occluded(int y, std::uint8_t* out) const;

  ImageView image_;
  Perturbation perturbation_;
  const PerturbKernels& kernels_;
  std::array<std::array<std::uint8_t, 256>, 3> levels_{};      // brightness, contrast, gamma
  std::shared_ptr<const NoiseTable> noise_;                    // gaussian_noise
  std::shared_ptr<const std::vector<std::uint16_t>> speckle_;  // speckle_noise: sigma * z per t
  std::shared_ptr<const ShotTable> shot_;                      // shot_noise
  std::vector<std::uint16_t> weights_;                         // gaussian_blur: one per tap
  std::shared_ptr<const LowPass> low_pass_;                    // low_pass: null if without effect
  std::vector<std::uint8_t> cells_;                            // pixelate: packed RGB
  std::vector<std::int32_t> patches_;  // patch_shuffle: source of each patch
};

}  // namespace vrs
