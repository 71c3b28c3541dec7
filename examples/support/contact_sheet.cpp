#include "examples/support/contact_sheet.hpp"

#include <ft2build.h>
#include FT_FREETYPE_H

#include <memory>
#include <string_view>
#include <vector>

#include <tessera/core/error.hpp>

namespace tessera::examples {
namespace {

constexpr const char* fonts[] = {
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/opentype/unifont/unifont.otf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
};

/// The code point at the front of `text`, which is shortened by it; U+FFFD for a byte that starts none.
char32_t next(std::string_view& text) {
  const auto byte = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char b = byte(0);
  const std::size_t length = b < 0x80 ? 1 : b < 0xC2 ? 0 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : b < 0xF5 ? 4 : 0;
  bool whole = length > 0 && length <= text.size();
  char32_t c = length == 1 ? b : b & (0xFFu >> (length + 1));
  for (std::size_t i = 1; whole && i < length; ++i) {
    whole = (byte(i) & 0xC0) == 0x80;
    c = c << 6 | (byte(i) & 63u);
  }
  text.remove_prefix(whole ? length : 1);
  return whole ? c : 0xFFFD;
}

struct Canvas {
  std::uint8_t* pixels;
  int height, width;

  void darken(int y, int x, unsigned ink) const {
    if (y < 0 || y >= height || x < 0 || x >= width) return;
    for (int c = 0; c < 3; ++c) {
      std::uint8_t& p =
          pixels[(static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)) * 3 +
                 static_cast<std::size_t>(c)];
      p = static_cast<std::uint8_t>(p * (255 - ink) / 255);
    }
  }
};

/// The fonts there are, at one size, or none (`!*this`): a character is of the first that draws it.
class Writer {
 public:
  explicit Writer(int size) {
    FT_Library library = nullptr;
    if (FT_Init_FreeType(&library) != 0) return;
    library_.reset(library);
    for (const char* file : fonts) {
      FT_Face face = nullptr;
      if (FT_New_Face(library, file, 0, &face) != 0) continue;
      faces_.emplace_back(face);
      FT_Set_Pixel_Sizes(face, 0, static_cast<FT_UInt>(size));
    }
  }
  explicit operator bool() const { return !faces_.empty(); }

  int line_height() const { return pixels(faces_[0]->size->metrics.height); }

  int width(std::u32string_view text) const {
    int sum = 0;
    for (const char32_t c : text) {
      if (const FT_GlyphSlot glyph = glyph_of(c)) sum += pixels(glyph->advance.x);
    }
    return sum;
  }

  /// Lines no wider than `limit`, broken at spaces, or before any Chinese character; the last of `lines` may end in
  /// "…".
  std::vector<std::u32string> wrap(std::string_view utf8, int limit, std::size_t lines) const {
    std::vector<std::u32string> out(1);
    std::u32string piece;  // what may not be broken
    bool cut = false;
    const auto place = [&] {
      if (width(out.back() + piece) > limit && !out.back().empty()) {
        if (out.size() == lines) return void(cut = true);
        out.emplace_back();
        if (piece[0] == U' ') piece.erase(0, 1);
      }
      out.back() += piece;
      piece.clear();
    };
    while (!utf8.empty() && !cut) {
      const char32_t c = next(utf8);
      const bool mark = c > U' ' && c < U'A';  // stays with what it follows
      if (!piece.empty() && (c == U' ' || c >= 0x2E80 || (piece.back() >= 0x2E80 && !mark))) place();
      piece += c < U' ' ? U' ' : c;
    }
    if (!cut && !piece.empty()) place();
    for (std::u32string& line : out) {
      const bool shorten = (cut && &line == &out.back()) || width(line) > limit;
      while (shorten && !line.empty() && width(line + U'…') > limit) line.pop_back();
      if (shorten) line += U'…';
    }
    return out;
  }

  void write(const Canvas& canvas, std::u32string_view text, int top, int left) const {
    const int baseline = top + pixels(faces_[0]->size->metrics.ascender);
    for (const char32_t c : text) {
      const FT_GlyphSlot glyph = glyph_of(c);
      if (glyph == nullptr) continue;
      const FT_Bitmap& bitmap = glyph->bitmap;
      for (int y = 0; y < static_cast<int>(bitmap.rows); ++y) {
        const std::uint8_t* row = bitmap.buffer + y * bitmap.pitch;
        for (int x = 0; x < static_cast<int>(bitmap.width); ++x) {
          const bool mono = bitmap.pixel_mode == FT_PIXEL_MODE_MONO;
          const unsigned ink = !mono ? row[x] : (row[x / 8] >> (7 - x % 8) & 1) != 0 ? 255u : 0u;
          canvas.darken(baseline - glyph->bitmap_top + y, left + glyph->bitmap_left + x, ink);
        }
      }
      left += pixels(glyph->advance.x);
    }
  }

 private:
  /// The character drawn, null if no font has it. Some have a glyph without ink for what they do not draw.
  FT_GlyphSlot glyph_of(char32_t c) const {
    for (const auto& face : faces_) {
      if (FT_Get_Char_Index(face.get(), c) == 0 || FT_Load_Char(face.get(), c, FT_LOAD_RENDER) != 0) continue;
      if (c <= U' ' || face->glyph->bitmap.rows > 0) return face->glyph;
    }
    return FT_Load_Char(faces_[0].get(), c, FT_LOAD_RENDER) == 0 ? faces_[0]->glyph : nullptr;
  }
  static int pixels(FT_Pos in_64ths) { return static_cast<int>((in_64ths + 32) / 64); }

  struct Done {
    void operator()(FT_Library library) const { FT_Done_FreeType(library); }
    void operator()(FT_Face face) const { FT_Done_Face(face); }
  };
  std::unique_ptr<FT_LibraryRec_, Done> library_;
  std::vector<std::unique_ptr<FT_FaceRec_, Done>> faces_;
};

}  // namespace

Tensor<std::uint8_t> contact_sheet(const Tensor<std::uint8_t>& pictures, std::span<const std::string> captions,
                                   const SheetOptions& options) {
  if (pictures.rank() != 4 || pictures.extent(3) != 3) {
    throw shape_error("contact_sheet: pictures are " + pictures.shape().to_string() + ", expected [N, H, W, 3]");
  }
  const Index count = pictures.extent(0);
  if (!captions.empty() && static_cast<Index>(captions.size()) != count) {
    throw argument_error("contact_sheet: " + std::to_string(captions.size()) + " captions for " +
                         std::to_string(count) + " pictures");
  }
  if (count == 0 || options.upscale < 1 || options.upscale > 64 || options.padding < 0 || options.padding > 1024 ||
      options.columns < 0 || options.caption_size < 4 || options.caption_size > 256) {
    throw argument_error(
        "contact_sheet: expected at least one picture, upscale 1 to 64, padding 0 to 1024, columns of 0 or more and "
        "caption_size 4 to 256");
  }
  const int n = static_cast<int>(count), up = options.upscale, pad = options.padding;
  const int height = static_cast<int>(pictures.extent(1)) * up, width = static_cast<int>(pictures.extent(2)) * up;
  int columns = options.columns < n ? options.columns : n;
  for (columns = columns > 0 ? columns : 1; options.columns == 0 && columns * columns < n;) ++columns;
  const int rows = (n + columns - 1) / columns;

  constexpr std::size_t caption_lines = 2;
  const Writer writer(options.caption_size);
  const bool written = !captions.empty() && writer;
  const int text_height = written ? static_cast<int>(caption_lines) * writer.line_height() : 0;
  const int cell_height = height + text_height + 2 * pad, cell_width = width + 2 * pad;

  Tensor<std::uint8_t> sheet(Shape{rows * cell_height, columns * cell_width, 3}, std::uint8_t{255});
  const Canvas canvas{sheet.data(), rows * cell_height, columns * cell_width};
  const std::uint8_t* in = pictures.data();
  for (int i = 0; i < n; ++i) {
    const int top = i / columns * cell_height + pad, left = i % columns * cell_width + pad;
    for (int y = 0; y < height; ++y) {
      const std::uint8_t* from = in + (static_cast<Index>(i) * (height / up) + y / up) * (width / up) * 3;
      std::uint8_t* to = canvas.pixels + (static_cast<Index>(top + y) * canvas.width + left) * 3;
      for (int x = 0; x < width; ++x) {
        for (int c = 0; c < 3; ++c) to[x * 3 + c] = from[x / up * 3 + c];
      }
    }
    if (!written) continue;
    const int room = cell_width - 4;
    int line_top = top + height + 2;
    for (const std::u32string& line : writer.wrap(captions[static_cast<std::size_t>(i)], room, caption_lines)) {
      writer.write(canvas, line, line_top, left - pad + (cell_width - writer.width(line)) / 2);
      line_top += writer.line_height();
    }
  }
  return sheet;
}

}  // namespace tessera::examples
