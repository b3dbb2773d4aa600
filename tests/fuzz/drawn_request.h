// A request of the op, read from a fuzzer's input: mostly allowed by the contract, now and then
// not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "contract/preprocess.h"
#include "input_bytes.h"

namespace fuzz {

// An image whose first and last bytes lie at the ends of their memory: the address sanitizer sees
// any access outside.
struct DrawnImage {
  std::vector<std::uint8_t> memory;
  vrs::ImageView view;  // of `memory`; may be upside down
};

struct DrawnRequest {
  std::vector<DrawnImage> images;
  vrs::Request request;  // its views are those of `images`
  vrs::Options options;
};

DrawnRequest draw_request(InputBytes& bytes);

}  // namespace fuzz
