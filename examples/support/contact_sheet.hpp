// Many small pictures on one big one, each with its caption below.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <tessera/core/tensor.hpp>

namespace tessera::examples {

struct SheetOptions {
  int columns = 0;        // 0: about as many as rows
  int upscale = 1;        // a whole number: pixels stay square and sharp
  int padding = 8;        // white pixels around each picture
  int caption_size = 12;  // pixels of an em; captions take two lines at most
};

/// [N, H, W, 3] to [rows, columns, 3]. `captions` are UTF-8, one a picture, or none at all. They need a font: the first
/// found of fonts-wqy-microhei, fonts-wqy-zenhei, fonts-noto-cjk, fonts-droid-fallback, fonts-unifont (Latin and
/// Chinese) and fonts-dejavu-core (Latin only); without any of them the sheet comes without captions. Throws
/// shape_error, argument_error.
Tensor<std::uint8_t> contact_sheet(const Tensor<std::uint8_t>& pictures, std::span<const std::string> captions = {},
                                   const SheetOptions& options = {});

}  // namespace tessera::examples
