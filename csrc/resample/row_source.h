// Rows of pixels from any source, as the resize reads them.
#pragma once

#include <cstdint>

#include "contract/preprocess.h"

namespace vrs {

// Rows of width() pixels of channels() bytes (3: RGB; 4: RGBX, the fourth ignored).
class RowSource {
 public:
  virtual int width() const = 0;
  virtual int channels() const = 0;

  // Sets rows[0] .. rows[count - 1] to rows `y` .. `y` + count - 1: memory of the source, or of
  // `scratch` (width() * 3 bytes a row), to which it then writes the pixels. Thread-safe.
  virtual void find_rows(int y, int count, std::uint8_t* scratch,
                         const std::uint8_t** rows) const = 0;

 protected:
  ~RowSource() = default;
};

// The image's own rows.
class ImageRows final : public RowSource {
 public:
  explicit ImageRows(const ImageView& image) : image_(image) {}

  int width() const override { return image_.width; }
  int channels() const override { return image_.channels; }

  void find_rows(int y, int count, std::uint8_t*, const std::uint8_t** rows) const override {
    for (int r = 0; r < count; ++r) rows[r] = image_.pixels + (y + r) * image_.row_stride;
  }

 private:
  ImageView image_;
};

}  // namespace vrs
