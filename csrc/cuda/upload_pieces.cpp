// Cuts images into bands of rows, small enough for several threads, and bands into pieces.
#include "upload_pieces.h"

#include <algorithm>
#include <cstring>

#include "runtime/thread_pool.h"

namespace vrs {
namespace {

constexpr std::size_t kBandBytes = std::size_t{512} << 10;  // a tenth of a millisecond of copying

}  // namespace

std::vector<UploadPiece> cut_upload(std::size_t table_bytes, const std::vector<PixelCopy>& copies,
                                    std::size_t most_bytes) {
  std::vector<UploadPiece> pieces{{0, table_bytes, {}}};
  for (const PixelCopy& copy : copies) {
    for (int row = 0; row < copy.image->height;) {
      const std::size_t offset = copy.offset + row * copy.pitch;
      const std::size_t filled = pieces.back().bytes;
      if (filled > 0 && filled + copy.pitch > most_bytes) pieces.push_back({offset, 0, {}});
      UploadPiece& piece = pieces.back();
      const std::size_t room = std::max(most_bytes, piece.bytes + copy.pitch) - piece.bytes;
      const std::size_t rows = std::max<std::size_t>(1, std::min(room, kBandBytes) / copy.pitch);
      const int end = static_cast<int>(std::min<std::size_t>(copy.image->height, row + rows));
      piece.bands.push_back({copy, row, end, offset - piece.begin});
      piece.bytes = offset - piece.begin + (end - row) * copy.pitch;
      row = end;
    }
  }
  return pieces;
}

void pack_rows(const UploadPiece& piece, std::uint8_t* host, int threads) {
  run_tasks(static_cast<int>(piece.bands.size()), threads, [&](int index) {
    const RowBand& band = piece.bands[index];
    const ImageView& image = *band.copy.image;
    const std::size_t row_bytes = std::size_t{1} * image.width * image.channels;
    std::uint8_t* target = host + band.offset;
    for (int y = band.begin; y < band.end; ++y, target += band.copy.pitch) {
      std::memcpy(target, image.pixels + y * image.row_stride, row_bytes);
    }
  });
}

}  // namespace vrs
