// PNG: 8-bit pictures and their texts, through libspng (link with -lspng; Debian package libspng-dev).
//
// A picture is a Tensor<uint8_t> [H, W, C] with C = 1 grey, 3 RGB or 4 RGBA. Read: any PNG; palettes are expanded, 16
// bits become 8, grey with transparency becomes RGBA. Written: as given, or indexed if asked for. Equal pictures give
// equal bytes (for one version of zlib). Texts are UTF-8: ASCII goes into a tEXt chunk, the rest into iTXt.
//
// Files from strangers: every checksum is verified, sizes are limited, and a picture that deflate could not have
// packed into the file is refused before memory is taken for it.
#pragma once

#include <spng.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/core/tensor.hpp>
#include <tessera/io/bytes.hpp>
#include <tessera/io/file.hpp>
#include <tessera/io/palette.hpp>
#include <tessera/io/pixels.hpp>
#include <tessera/io/text.hpp>

namespace tessera {

/// Keyword (1 to 79 printable ASCII characters) to text, as in {"Software", "Tessera"}.
using PngTexts = std::map<std::string, std::string>;

struct Png {
  Tensor<std::uint8_t> pixels;  // [H, W, C]
  PngTexts texts;               // of equal keywords the first
};

struct PngOptions {
  bool indexed = false;  // a palette; argument_error if the picture has more than 256 colours
  int compression = 6;   // 0 none to 9 most
};

struct PngLimits {
  std::uint32_t extent = 16384;                    // pixels, each way
  std::uint64_t decoded = std::uint64_t{1} << 28;  // bytes of pixels
  std::uint64_t texts = std::uint64_t{1} << 24;    // bytes of chunks that are kept
};

namespace io_detail {

using SpngContext = std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)>;

inline SpngContext new_spng(int flags) {
  SpngContext context(spng_ctx_new(flags), spng_ctx_free);
  if (!context) throw std::bad_alloc();
  return context;
}

inline Index picture_channels(const Shape& shape, const char* op) {
  const bool fits =
      shape.rank() == 3 && (shape[2] == 1 || shape[2] == 3 || shape[2] == 4) && shape[0] > 0 && shape[1] > 0;
  if (!fits) {
    throw shape_error(std::string(op) + ": expected a picture [H, W, C] with C = 1, 3 or 4, found " +
                      shape.to_string());
  }
  return shape[2];
}

/// tEXt and zTXt are Latin-1, whose characters are the first 256 of Unicode.
inline std::string utf8_from_latin1(std::string_view text) {
  std::string out;
  for (const char c : text) append_utf8(out, static_cast<unsigned char>(c));
  return out;
}

/// CRC-32 as PNG and zip have it: polynomial 0x04C11DB7, reflected.
inline std::uint32_t crc32(std::span<const std::uint8_t> bytes) {
  static constexpr auto table = [] {
    std::array<std::uint32_t, 256> entries{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      entries[i] = i;
      for (int bit = 0; bit < 8; ++bit) entries[i] = entries[i] >> 1 ^ ((entries[i] & 1U) != 0 ? 0xEDB88320U : 0U);
    }
    return entries;
  }();
  std::uint32_t crc = ~0U;
  for (const std::uint8_t byte : bytes) crc = crc >> 8 ^ table[(crc ^ byte) & 255U];
  return ~crc;
}

/// Appends a text chunk: tEXt "keyword NUL text", or iTXt "keyword NUL, not compressed (two NULs), no language NUL, no
/// translated keyword NUL, text". By hand, as libspng refuses empty texts.
inline void put_text(Bytes& out, const std::string& keyword, const std::string& text) {
  bool good = !keyword.empty() && keyword.size() <= 79 && keyword.front() != ' ' && keyword.back() != ' ';
  for (std::size_t i = 0; i < keyword.size(); ++i) {
    good = good && keyword[i] >= ' ' && keyword[i] <= '~' && keyword.compare(i, 2, "  ") != 0;
  }
  if (!good) {
    throw argument_error("write_png: expected a keyword of 1 to 79 ASCII characters without spaces around, found " +
                         quoted(keyword));
  }
  if (!valid_utf8(text) || text.find('\0') != std::string::npos || text.size() > INT32_MAX - 200) {
    throw argument_error("write_png: text " + quoted(keyword) + ": expected UTF-8 without NUL, below 2 GB");
  }
  bool ascii = true;
  for (const char c : text) ascii = ascii && ((c >= ' ' && c <= '~') || c == '\n');
  const std::string content = (ascii ? "tEXt" : "iTXt") + keyword + std::string(ascii ? 1 : 5, '\0') + text;
  append_big(out, static_cast<std::uint32_t>(content.size() - 4));
  append(out, content);
  append_big(out, crc32(as_bytes(content)));
}

class PngEncoder {
 public:
  static constexpr std::size_t header_end = 33;  // signature and header chunk; texts go behind them

  PngEncoder() : context_(new_spng(SPNG_CTX_ENCODER)) {
    check(spng_set_option(context_.get(), SPNG_ENCODE_TO_BUFFER, 1));
  }

  Bytes encode(const Tensor<std::uint8_t>& picture, const PngTexts& texts, const PngOptions& options) {
    const Index channels = picture_channels(picture.shape(), "write_png");
    const Index height = picture.extent(0), width = picture.extent(1), count = height * width;
    if (height > INT32_MAX || width > INT32_MAX) throw shape_error("write_png: more than 2^31 - 1 pixels one way");
    spng_ihdr header{};
    header.width = static_cast<std::uint32_t>(width);
    header.height = static_cast<std::uint32_t>(height);
    header.bit_depth = 8;
    header.color_type = channels == 1   ? SPNG_COLOR_TYPE_GRAYSCALE
                        : channels == 3 ? SPNG_COLOR_TYPE_TRUECOLOR
                                        : SPNG_COLOR_TYPE_TRUECOLOR_ALPHA;
    std::span<const std::uint8_t> pixels = picture.span();
    Bytes indices;
    if (options.indexed) {
      header.color_type = SPNG_COLOR_TYPE_INDEXED;
      indices.resize(static_cast<std::size_t>(count));
      set_palette(header, pixels.data(), channels, indices);
      pixels = indices;
    } else {
      check(spng_set_ihdr(context_.get(), &header));
    }
    check(spng_set_option(context_.get(), SPNG_IMG_COMPRESSION_LEVEL, options.compression));
    check(spng_encode_image(context_.get(), pixels.data(), pixels.size(), SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE));
    std::size_t size = 0;
    int code = 0;
    const std::unique_ptr<void, decltype(&std::free)> file(spng_get_png_buffer(context_.get(), &size, &code),
                                                           std::free);
    check(code);
    const auto* bytes = static_cast<const std::uint8_t*>(file.get());
    Bytes out(bytes, bytes + header_end);
    for (const auto& [keyword, text] : texts) put_text(out, keyword, text);
    append(out, std::span(bytes + header_end, size - header_end));
    return out;
  }

 private:
  static void check(int code) {
    if (code != SPNG_OK) throw io_error(std::string("write_png: libspng: ") + spng_strerror(code));
  }

  void set_palette(spng_ihdr& header, const std::uint8_t* pixels, Index channels, Bytes& indices) {
    Palette palette;
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const int index = palette.add(colour_at(pixels, static_cast<Index>(i), channels));
      if (index < 0) {
        throw argument_error(
            "write_png: an indexed picture has at most 256 colours, this one has more; write it as it is");
      }
      indices[i] = static_cast<std::uint8_t>(index);
    }
    auto colours = std::make_unique<spng_plte>();
    auto alphas = std::make_unique<spng_trns>();
    colours->n_entries = static_cast<std::uint32_t>(palette.size());
    for (std::size_t i = 0; i < palette.size(); ++i) {
      const auto part = [&](int which) { return static_cast<std::uint8_t>(channel(palette[i], which)); };
      colours->entries[i] = {part(0), part(1), part(2), 255};
      alphas->type3_alpha[i] = part(3);
      if (part(3) != 255) alphas->n_type3_entries = static_cast<std::uint32_t>(i + 1);
    }
    check(spng_set_ihdr(context_.get(), &header));
    check(spng_set_plte(context_.get(), colours.get()));
    if (alphas->n_type3_entries != 0) check(spng_set_trns(context_.get(), alphas.get()));
  }

  SpngContext context_;
};

class PngDecoder {
 public:
  PngDecoder(std::span<const std::uint8_t> bytes, const std::string& name)
      : name_(name), bytes_(bytes), context_(new_spng(0)) {}

  Png decode(const PngLimits& limits) {
    check_chunks();
    spng_ctx* context = context_.get();
    check(spng_set_crc_action(context, SPNG_CRC_ERROR, SPNG_CRC_ERROR), "checksums");
    check(spng_set_image_limits(context, limits.extent, limits.extent), "limits");
    check(
        spng_set_chunk_limits(context, static_cast<std::size_t>(limits.texts), static_cast<std::size_t>(limits.texts)),
        "limits");
    check(spng_set_png_buffer(context, bytes_.data(), bytes_.size()), "file");
    spng_ihdr header{};
    const int code = spng_get_ihdr(context, &header);
    if (code == SPNG_EUSER_WIDTH || code == SPNG_EUSER_HEIGHT) {
      throw_io(name_, "size", "at most " + std::to_string(limits.extent) + " pixels each way", "more");
    }
    check(code, "header");

    spng_trns transparency{};
    const int transparent = spng_get_trns(context, &transparency);  // reads all chunks before the pixels
    if (transparent != SPNG_ECHUNKAVAIL) check(transparent, "chunks before the pixels");
    const bool alpha = (header.color_type & 4) != 0 || transparent == SPNG_OK;
    const bool grey = header.color_type == SPNG_COLOR_TYPE_GRAYSCALE && !alpha;
    const bool grey8 = grey && header.bit_depth <= 8;  // libspng widens 16-bit grey to RGB only
    const int format = alpha ? SPNG_FMT_RGBA8 : grey8 ? SPNG_FMT_G8 : SPNG_FMT_RGB8;
    std::size_t size = 0;
    check(spng_decoded_image_size(context, format, &size), "header");
    check_size(header, size, limits);

    Tensor<std::uint8_t> pixels(Shape{header.height, header.width, alpha ? 4 : grey8 ? 1 : 3});
    check(spng_decode_image(context, pixels.data(), size, format, alpha ? SPNG_DECODE_TRNS : 0), "pixels");
    check(spng_decode_chunks(context), "what follows the pixels");
    if (grey && !grey8) pixels = first_channel(pixels);
    return {std::move(pixels), texts()};
  }

 private:
  void check(int code, const char* field) const {
    if (code != SPNG_OK) throw_io(name_, field, "a valid PNG", std::string("an error (") + spng_strerror(code) + ")");
  }

  /// The file has to reach its end chunk: libspng is content without, and does not look at that one's checksum.
  void check_chunks() const {
    using namespace std::string_view_literals;
    ByteReader reader(bytes_, name_);
    reader.expect("\x89PNG\r\n\x1a\n", "signature");
    for (;;) {
      const auto length = reader.big<std::uint32_t>("chunk length");
      const std::string type(as_text(reader.take(4, "chunk type")));
      if (type == "IEND") break;
      reader.take(std::uint64_t{length} + 4, "chunk " + quoted(type));
    }
    const auto end = as_text(bytes_.subspan(reader.position() - 8, 8));
    if (end != "\0\0\0\0IEND"sv) throw_io(name_, "end chunk", "it empty", "it not empty");
    reader.expect("\xAE\x42\x60\x82", "checksum of the end chunk");
  }

  void check_size(const spng_ihdr& header, std::size_t size, const PngLimits& limits) const {
    const std::string found = std::to_string(header.width) + " x " + std::to_string(header.height) + " pixels";
    if (size > limits.decoded)
      throw_io(name_, "size", "at most " + std::to_string(limits.decoded) + " bytes of pixels", found);
    // Deflate packs at most 1032 to 1. What the file holds, unpacked: 1 to 64 bits a pixel.
    constexpr std::array<std::uint64_t, 7> channels = {1, 0, 3, 1, 2, 0, 4};
    const std::uint64_t packed =
        std::uint64_t{header.width} * header.height * channels[header.color_type] * header.bit_depth / 8;
    if (packed / 1032 > bytes_.size()) {
      throw_io(name_, "size", "a picture that " + std::to_string(bytes_.size()) + " bytes can hold", found);
    }
  }

  static Tensor<std::uint8_t> first_channel(const Tensor<std::uint8_t>& rgb) {
    Tensor<std::uint8_t> grey(rgb.shape().with(2, 1));
    std::uint8_t* to = grey.data();
    for (Index i = 0, n = grey.size(); i < n; ++i) to[i] = rgb[3 * i];
    return grey;
  }

  PngTexts texts() const {
    std::uint32_t count = 0;
    const int code = spng_get_text(context_.get(), nullptr, &count);
    if (code == SPNG_ECHUNKAVAIL) return {};
    check(code, "texts");
    std::vector<spng_text> chunks(count);
    check(spng_get_text(context_.get(), chunks.data(), &count), "texts");
    PngTexts texts;
    for (const spng_text& chunk : chunks) {
      const std::string keyword = utf8_from_latin1(chunk.keyword);
      std::string text(chunk.text, chunk.length);
      if (chunk.type != SPNG_ITXT) text = utf8_from_latin1(text);
      if (!valid_utf8(text)) throw_io(name_, "text " + quoted(keyword), "UTF-8", quoted(text));
      texts.try_emplace(keyword, std::move(text));
    }
    return texts;
  }

  const std::string& name_;
  std::span<const std::uint8_t> bytes_;
  SpngContext context_;
};

}  // namespace io_detail

/// The file's bytes. Throws shape_error or argument_error for what PNG cannot hold.
inline Bytes encode_png(const Tensor<std::uint8_t>& picture, const PngTexts& texts = {},
                        const PngOptions& options = {}) {
  return io_detail::PngEncoder().encode(picture, texts, options);
}

/// The same for a picture in [-1, 1]: clamped and rounded, NaN becomes 0.
inline Bytes encode_png(const Tensor<float>& picture, const PngTexts& texts = {}, const PngOptions& options = {}) {
  return encode_png(to_8bit(picture), texts, options);
}

template <class T>
void write_png(const std::string& path, const Tensor<T>& picture, const PngTexts& texts = {},
               const PngOptions& options = {}) {
  write_file(path, encode_png(picture, texts, options));
}

/// `name` stands for the file in errors. Throws io_error.
inline Png parse_png(std::span<const std::uint8_t> bytes, const std::string& name = "PNG",
                     const PngLimits& limits = {}) {
  return io_detail::PngDecoder(bytes, name).decode(limits);
}

inline Png read_png(const std::string& path, const PngLimits& limits = {}) {
  return parse_png(read_file(path, std::uint64_t{1} << 30), path, limits);
}

}  // namespace tessera
