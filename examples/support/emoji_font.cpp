#include "examples/support/emoji_font.hpp"

#include <ft2build.h>
#include FT_FREETYPE_H
#include <hb-ot.h>

#include <algorithm>
#include <memory>
#include <thread>

#include <tessera/core/error.hpp>

namespace tessera::examples {
namespace {

template <auto destroy>
struct Destroy {
  void operator()(auto* p) const { destroy(p); }
};
using HbFont = std::unique_ptr<hb_font_t, Destroy<hb_font_destroy>>;
using HbFace = std::unique_ptr<hb_face_t, Destroy<hb_face_destroy>>;
using HbBlob = std::unique_ptr<hb_blob_t, Destroy<hb_blob_destroy>>;
using HbBuffer = std::unique_ptr<hb_buffer_t, Destroy<hb_buffer_destroy>>;
using FtLibrary = std::unique_ptr<FT_LibraryRec_, Destroy<FT_Done_FreeType>>;
using FtFace = std::unique_ptr<FT_FaceRec_, Destroy<FT_Done_Face>>;

[[noreturn]] void missing(const std::string& file) {
  throw io_error("emoji: cannot read " + file + "; to install it: apt-get install fonts-noto-color-emoji");
}

constexpr int art = 128;  // the square of the bitmap that is drawn in, pixels

/// Premultiplied BGRA of any size to RGB [128, 128, 3] on white, centred: cropped or padded as needed.
void composite(const FT_Bitmap& bitmap, std::uint8_t* out) {
  const int height = static_cast<int>(bitmap.rows), width = static_cast<int>(bitmap.width);
  const int top = (art - height) / 2, left = (art - width) / 2;
  for (int y = 0; y < art; ++y) {
    for (int x = 0; x < art; ++x, out += 3) {
      const int row = y - top, column = x - left;
      const bool inside = row >= 0 && row < height && column >= 0 && column < width;
      const std::uint8_t* pixel = inside ? bitmap.buffer + row * bitmap.pitch + column * 4 : nullptr;
      for (int c = 0; c < 3; ++c) {
        const int value = inside ? pixel[2 - c] + 255 - pixel[3] : 255;
        out[c] = static_cast<std::uint8_t>(std::min(value, 255));
      }
    }
  }
}

/// How one row of `to` pixels gathers `from` pixels: pixel i averages [i, i + 1) * from / to, the ends in part.
struct Span {
  int first;
  std::vector<float> weights;  // of first, first + 1, ...; they add to 1
};
std::vector<Span> area_weights(int from, int to) {
  std::vector<Span> spans;
  for (int i = 0; i < to; ++i) {
    const float ratio = static_cast<float>(from) / static_cast<float>(to);
    const float begin = static_cast<float>(i) * ratio, end = begin + ratio;
    Span span{static_cast<int>(begin), {}};
    for (int j = span.first; j < from && static_cast<float>(j) < end; ++j) {
      const float lower = std::max(begin, static_cast<float>(j)), upper = std::min(end, static_cast<float>(j + 1));
      span.weights.push_back((upper - lower) / ratio);
    }
    spans.push_back(std::move(span));
  }
  return spans;
}

void shrink(const std::uint8_t* in, const std::vector<Span>& spans, std::vector<float>& rows, std::uint8_t* out) {
  const int side = static_cast<int>(spans.size());
  constexpr int line = art * 3;
  rows.resize(static_cast<std::size_t>(line));
  for (const Span& y : spans) {
    std::fill(rows.begin(), rows.end(), 0.0f);
    for (std::size_t j = 0; j < y.weights.size(); ++j) {
      const std::uint8_t* from = in + (y.first + static_cast<int>(j)) * line;
      for (int i = 0; i < line; ++i) rows[static_cast<std::size_t>(i)] += y.weights[j] * static_cast<float>(from[i]);
    }
    for (int x = 0; x < side; ++x) {
      const Span& span = spans[static_cast<std::size_t>(x)];
      for (int c = 0; c < 3; ++c) {
        float sum = 0;
        for (std::size_t j = 0; j < span.weights.size(); ++j) {
          sum += span.weights[j] * rows[(static_cast<std::size_t>(span.first) + j) * 3 + static_cast<std::size_t>(c)];
        }
        *out++ = static_cast<std::uint8_t>(sum + 0.5f);
      }
    }
  }
}

/// Draws glyphs[first, last) with an own FreeType, which is what makes it safe to call from several threads.
void draw(const std::string& file, std::span<const std::uint32_t> glyphs, int side, std::size_t first, std::size_t last,
          std::uint8_t* pictures, std::string& failure) {
  FT_Library raw_library = nullptr;
  FT_Face raw_face = nullptr;
  if (FT_Init_FreeType(&raw_library) != 0) return void(failure = "emoji: FreeType does not start");
  const FtLibrary library(raw_library);
  if (FT_New_Face(raw_library, file.c_str(), 0, &raw_face) != 0 || raw_face->num_fixed_sizes == 0) {
    return void(failure = "emoji: " + file + ": expected a font with colour bitmaps");
  }
  const FtFace face(raw_face);
  FT_Select_Size(raw_face, 0);
  const auto spans = area_weights(art, side);
  std::vector<std::uint8_t> square(static_cast<std::size_t>(art) * art * 3);
  std::vector<float> rows;
  for (std::size_t i = first; i < last; ++i) {
    const FT_Bitmap& bitmap = raw_face->glyph->bitmap;
    if (FT_Load_Glyph(raw_face, glyphs[i], FT_LOAD_COLOR) != 0 || bitmap.pixel_mode != FT_PIXEL_MODE_BGRA) {
      return void(failure = "emoji: " + file + ": expected a colour bitmap for glyph " + std::to_string(glyphs[i]));
    }
    composite(bitmap, square.data());
    shrink(square.data(), spans, rows,
           pictures + i * static_cast<std::size_t>(side) * static_cast<std::size_t>(side) * 3);
  }
}

}  // namespace

std::vector<std::uint32_t> find_glyphs(const std::string& file, std::span<const std::string> sequences) {
  const HbBlob blob(hb_blob_create_from_file_or_fail(file.c_str()));
  if (!blob) missing(file);
  const HbFace face(hb_face_create(blob.get(), 0));
  const HbFont font(hb_font_create(face.get()));
  const HbBuffer buffer(hb_buffer_create());
  hb_codepoint_t space = 0;  // what ignorable code points (joiners, selectors) are drawn with
  hb_font_get_nominal_glyph(font.get(), ' ', &space);
  std::vector<std::uint32_t> glyphs;
  glyphs.reserve(sequences.size());
  for (const std::string& sequence : sequences) {
    hb_buffer_reset(buffer.get());
    hb_buffer_set_flags(buffer.get(), HB_BUFFER_FLAG_REMOVE_DEFAULT_IGNORABLES);
    hb_buffer_add_utf8(buffer.get(), sequence.data(), static_cast<int>(sequence.size()), 0, -1);
    hb_buffer_guess_segment_properties(buffer.get());
    // Shaping applies the ligatures: a family of three joined by U+200D becomes one glyph, if there is one.
    hb_shape(font.get(), buffer.get(), nullptr, 0);
    unsigned count = 0;
    const hb_glyph_info_t* info = hb_buffer_get_glyph_infos(buffer.get(), &count);
    glyphs.push_back(count == 1 && info[0].codepoint != space ? info[0].codepoint : 0);
  }
  return glyphs;
}

Tensor<std::uint8_t> draw_glyphs(const std::string& file, std::span<const std::uint32_t> glyphs, int side) {
  if (side < 1 || side > art) {
    throw argument_error("emoji: side is " + std::to_string(side) + ", expected 1 to 128 pixels");
  }
  Tensor<std::uint8_t> pictures(Shape{static_cast<Index>(glyphs.size()), side, side, 3});
  std::uint8_t* out = pictures.data();
  const std::size_t workers = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 8);
  std::vector<std::string> failures(workers);
  {
    std::vector<std::jthread> threads;
    for (std::size_t w = 0; w < workers; ++w) {
      threads.emplace_back([&, w] {
        const std::size_t n = glyphs.size();
        draw(file, glyphs, side, n * w / workers, n * (w + 1) / workers, out, failures[w]);
      });
    }
  }
  for (const std::string& failure : failures) {
    if (!failure.empty()) throw io_error(failure);
  }
  return pictures;
}

}  // namespace tessera::examples
