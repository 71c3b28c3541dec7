// From code points to small pictures, by a font of colour bitmaps: HarfBuzz finds the glyph, FreeType decodes it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <tessera/core/tensor.hpp>

namespace tessera::examples {

/// The one glyph each UTF-8 sequence is drawn with, or 0 if the font has none. Throws io_error without the font.
std::vector<std::uint32_t> find_glyphs(const std::string& font, std::span<const std::string> sequences);

/// [N, side, side, 3] on white, side 1 to 128: see emoji.hpp for how. Throws io_error for a glyph without a colour
/// bitmap.
Tensor<std::uint8_t> draw_glyphs(const std::string& font, std::span<const std::uint32_t> glyphs, int side);

}  // namespace tessera::examples
