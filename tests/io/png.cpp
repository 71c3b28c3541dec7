#include <tessera/io/png.hpp>

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "tests/io/hostile.hpp"
#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

Tensor<std::uint8_t> picture(Index height, Index width, Index channels, std::uint32_t colours = 1U << 24) {
  Tensor<std::uint8_t> pixels(Shape{height, width, channels});
  std::uint8_t* p = pixels.data();
  for (Index i = 0; i < height * width; ++i) {
    const std::uint32_t colour = (static_cast<std::uint32_t>(i) % colours) * 2654435761U;
    for (Index c = 0; c < channels; ++c) p[i * channels + c] = static_cast<std::uint8_t>(colour >> (8 * c));
  }
  return pixels;
}

std::uint32_t crc_of(std::span<const std::uint8_t> bytes) {
  std::uint32_t crc = ~0U;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

void put_chunk(Bytes& file, const std::string& type, const Bytes& content) {
  append_big(file, static_cast<std::uint32_t>(content.size()));
  Bytes checked;
  append(checked, type);
  append(checked, content);
  append(file, checked);
  append_big(file, crc_of(checked));
}

/// A PNG made by hand, its pixels in stored (uncompressed) deflate blocks.
Bytes by_hand(std::uint32_t width, std::uint32_t height, int depth, int type, const Bytes& rows,
              const std::vector<std::pair<std::string, Bytes>>& chunks = {}) {
  Bytes file, header, data;
  append(file, "\x89PNG\r\n\x1a\n");
  append_big(header, width);
  append_big(header, height);
  for (const int field : {depth, type, 0, 0, 0}) header.push_back(static_cast<std::uint8_t>(field));
  put_chunk(file, "IHDR", header);
  for (const auto& [name, content] : chunks) put_chunk(file, name, content);
  std::uint32_t a = 1, b = 0;
  for (const std::uint8_t byte : rows) a = (a + byte) % 65521, b = (b + a) % 65521;
  data = {0x78, 0x01, 0x01};
  append_little(data, static_cast<std::uint16_t>(rows.size()));
  append_little(data, static_cast<std::uint16_t>(~rows.size()));
  append(data, rows);
  append_big(data, b << 16 | a);
  put_chunk(file, "IDAT", data);
  put_chunk(file, "IEND", {});
  return file;
}

std::string message(const Bytes& bytes, const PngLimits& limits = {}) {
  return test::io_error_of([&] { parse_png(bytes, "bad.png", limits); });
}

}  // namespace

TEST_CASE("png: every kind of picture comes back", "[io][png]") {
  const test::Scratch scratch;
  for (const Index channels : {1, 3, 4}) {
    for (const auto& [height, width] : {std::pair<Index, Index>{1, 1}, {1, 300}, {200, 1}, {33, 65}}) {
      const auto pixels = picture(height, width, channels);
      write_png(scratch / "a.png", pixels);
      const Png back = read_png(scratch / "a.png");
      CHECK(same_bytes(back.pixels, pixels));
      CHECK(back.texts.empty());
      CHECK(encode_png(pixels) == read_file(scratch / "a.png"));
      CHECK(same_bytes(parse_png(encode_png(pixels, {}, {.compression = 0})).pixels, pixels));
    }
  }
  const auto large = picture(1500, 2000, 3);
  CHECK(same_bytes(parse_png(encode_png(large, {}, {.compression = 1})).pixels, large));
}

TEST_CASE("png: indexed pictures hold up to 256 colours", "[io][png]") {
  for (const std::uint32_t colours : {1U, 2U, 17U, 256U}) {
    const auto pixels = picture(20, 30, 3, colours);
    const Bytes bytes = encode_png(pixels, {}, {.indexed = true});
    CHECK(bytes[25] == 3);  // the colour type
    CHECK(same_bytes(parse_png(bytes).pixels, pixels));
    const auto clear = picture(20, 30, 4, colours);
    if (colours > 1) CHECK(same_bytes(parse_png(encode_png(clear, {}, {.indexed = true})).pixels, clear));
  }
  CHECK_THROWS_AS(encode_png(picture(20, 30, 3, 257), {}, {.indexed = true}), argument_error);
  const auto grey = picture(4, 4, 1);
  CHECK(parse_png(encode_png(grey, {}, {.indexed = true})).pixels.extent(2) == 3);
}

TEST_CASE("png: other depths and kinds are widened to 8 bits", "[io][png]") {
  const Png bits = parse_png(by_hand(8, 1, 1, 0, {0, 0b10100000}));
  CHECK(same_bytes(bits.pixels, Tensor<std::uint8_t>::from(Shape{1, 8, 1}, {255, 0, 255, 0, 0, 0, 0, 0})));
  const Png grey16 = parse_png(by_hand(2, 1, 16, 0, {0, 0x12, 0x34, 0xFF, 0xFF}));
  CHECK(same_bytes(grey16.pixels, Tensor<std::uint8_t>::from(Shape{1, 2, 1}, {0x12, 0xFF})));
  const Png rgb16 = parse_png(by_hand(1, 1, 16, 2, {0, 1, 0, 2, 0, 3, 0}));
  CHECK(same_bytes(rgb16.pixels, Tensor<std::uint8_t>::from(Shape{1, 1, 3}, {1, 2, 3})));
  const Png grey_alpha = parse_png(by_hand(1, 1, 8, 4, {0, 7, 9}));
  CHECK(same_bytes(grey_alpha.pixels, Tensor<std::uint8_t>::from(Shape{1, 1, 4}, {7, 7, 7, 9})));
  const Png keyed = parse_png(by_hand(2, 1, 8, 0, {0, 7, 9}, {{"tRNS", {0, 7}}}));
  CHECK(same_bytes(keyed.pixels, Tensor<std::uint8_t>::from(Shape{1, 2, 4}, {7, 7, 7, 0, 9, 9, 9, 255})));
  const Png indexed = parse_png(by_hand(4, 1, 2, 3, {0, 0b00011000}, {{"PLTE", {1, 2, 3, 4, 5, 6, 7, 8, 9}}}));
  CHECK(same_bytes(indexed.pixels, Tensor<std::uint8_t>::from(Shape{1, 4, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3})));
}

TEST_CASE("png: floats are clamped and rounded, and every level comes back", "[io][png]") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const auto odd = Tensor<float>::from(Shape{1, 7, 1}, {-1, 1, 0, -7, inf, -inf, nan});
  CHECK(same_bytes(parse_png(encode_png(odd)).pixels,
                   Tensor<std::uint8_t>::from(Shape{1, 7, 1}, {0, 255, 128, 0, 255, 0, 0})));
  for (int level = 0; level < 256; ++level) { CHECK(to_8bit(from_8bit(static_cast<std::uint8_t>(level))) == level); }
  const auto pixels = picture(5, 6, 3);
  CHECK(same_bytes(to_8bit(from_8bit(pixels)), pixels));
}

TEST_CASE("png: texts come back in UTF-8", "[io][png]") {
  const PngTexts texts = {{"Software", "Tessera"},
                          {"prompt", "一隻狗 \xF0\x9F\x90\x95"},
                          {"settings", "{\"steps\": 30,\n \"scale\": 7.0}"},
                          {"empty", ""},
                          {"long", std::string(1000000, 'x') + "é"}};
  const auto pixels = picture(3, 3, 3);
  CHECK(parse_png(encode_png(pixels, texts)).texts == texts);
  CHECK(parse_png(encode_png(pixels, texts, {.indexed = true})).texts == texts);
  const Png latin = parse_png(by_hand(1, 1, 8, 0, {0, 7}, {{"tEXt", {'k', 0, 0xE9}}, {"tEXt", {'k', 0, 'z'}}}));
  CHECK(latin.texts == PngTexts{{"k", "é"}});

  for (const char* keyword : {"", " a", "a ", "a  b", "é", "a\n"}) {
    CHECK_THROWS_AS(encode_png(pixels, {{keyword, "x"}}), argument_error);
  }
  CHECK_THROWS_AS(encode_png(pixels, {{std::string(80, 'k'), "x"}}), argument_error);
  CHECK_THROWS_AS(encode_png(pixels, {{"k", "\xff"}}), argument_error);
  CHECK_THROWS_AS(encode_png(pixels, {{"k", std::string("a\0b", 3)}}), argument_error);
}

TEST_CASE("png: shapes that are no pictures are refused", "[io][png]") {
  for (const Shape& shape : {Shape{3, 3}, Shape{3, 3, 2}, Shape{0, 3, 3}, Shape{3, 0, 1}, Shape{1, 3, 3, 3}}) {
    CHECK_THROWS_AS(encode_png(Tensor<std::uint8_t>(shape)), shape_error);
  }
}

TEST_CASE("png: files from strangers are io_errors that say why", "[io][png]") {
  CHECK(message({}) == "bad.png: signature: expected 8 bytes at offset 0, found 0 before the end of the file");
  CHECK_THAT(message({'G', 'I', 'F', '8', '9', 'a', 0, 0, 0}),
             Catch::Matchers::Contains("bad.png: signature: expected"));
  CHECK_THAT(message(by_hand(0, 1, 8, 0, {0})), Catch::Matchers::Contains("bad.png: header: expected"));
  CHECK_THAT(message(by_hand(1, 0, 8, 0, {0})), Catch::Matchers::Contains("bad.png: header: expected"));
  CHECK(message(by_hand(16385, 1, 8, 0, {0})) == "bad.png: size: expected at most 16384 pixels each way, found more");
  CHECK(message(by_hand(16384, 16384, 8, 6, {0})) ==
        "bad.png: size: expected at most 268435456 bytes of pixels, found 16384 x 16384 pixels");
  CHECK(message(by_hand(8000, 8000, 8, 2, {0})) ==
        "bad.png: size: expected a picture that 69 bytes can hold, found 8000 x 8000 pixels");
  CHECK_THAT(message(by_hand(2, 2, 8, 0, {0, 1, 2})), Catch::Matchers::Contains("bad.png: pixels: expected"));
  CHECK_THAT(message(by_hand(1, 1, 7, 0, {0, 1})), Catch::Matchers::Contains("bad.png: header: expected"));
  CHECK_THAT(message(by_hand(1, 1, 8, 3, {0, 1})), Catch::Matchers::Contains("bad.png: "));  // no palette
  CHECK_THAT(message(by_hand(1, 1, 8, 0, {0, 1}, {{"iTXt", {'k', 0, 0, 0, 0, 0, 0xFF}}})),
             Catch::Matchers::Contains("bad.png: text \"k\": expected UTF-8"));
  const Bytes small = encode_png(picture(3, 3, 3), {{"k", std::string(1000, 'x')}});
  CHECK_THAT(message(small, {.texts = 500}), Catch::Matchers::Contains("bad.png: "));
  CHECK_THAT(message(small, {.decoded = 26}), Catch::Matchers::Contains("at most 26 bytes"));
  CHECK_NOTHROW(parse_png(small, "x", {.decoded = 27}));
}

TEST_CASE("png: cut off or changed anywhere, it is an io_error", "[io][png]") {
  const auto read = [](const Bytes& bytes) { parse_png(bytes, "x"); };
  const PngTexts texts = {{"prompt", "一隻狗"}, {"k", "text"}};
  for (const Bytes& valid :
       {encode_png(picture(6, 5, 3), texts), encode_png(picture(6, 5, 4, 9), texts, {.indexed = true})}) {
    test::check_truncations(valid, read);
    CHECK(test::check_flips(valid, read) == 0);  // every byte is under a checksum
  }
}
