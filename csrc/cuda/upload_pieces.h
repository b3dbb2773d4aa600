// Cuts what a request uploads into pieces: while one is transferred, the next is packed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "contract/preprocess.h"

namespace vrs {

// An image of the host whose rows are to lie `pitch` bytes apart, from `offset` of the uploaded
// memory on.
struct PixelCopy {
  const ImageView* image;
  std::size_t offset;
  std::size_t pitch;
};

// Rows [begin, end) of an image, from `offset` of their piece on.
struct RowBand {
  PixelCopy copy;
  int begin, end;
  std::size_t offset;
};

// Bytes [begin, begin + bytes) of the uploaded memory.
struct UploadPiece {
  std::size_t begin = 0, bytes = 0;
  std::vector<RowBand> bands;
};

// Pieces in the order of their bytes. The first holds the `table_bytes` that come before all images
// and, like the others, as many rows as fit into `most_bytes`. The copies lie close together, in
// their order.
constexpr std::size_t kPieceBytes = std::size_t{8} << 20;
std::vector<UploadPiece> cut_upload(std::size_t table_bytes, const std::vector<PixelCopy>& copies,
                                    std::size_t most_bytes = kPieceBytes);

// Copies the rows of a piece to `host`, its first byte, by at most `threads` threads.
void pack_rows(const UploadPiece& piece, std::uint8_t* host, int threads);

}  // namespace vrs
