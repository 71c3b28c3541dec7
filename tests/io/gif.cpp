#include <tessera/io/gif.hpp>

#include <array>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

struct Frame {
  int delay = 0;
  std::vector<Colour> pixels;
};

struct Gif {
  int width = 0, height = 0, repetitions = -1;
  std::vector<Frame> frames;
};

std::vector<Colour> colours_in(ByteReader& reader, int flags) {
  std::vector<Colour> colours;
  for (int i = 0; i < 2 << (flags & 7); ++i) {
    const auto rgb = reader.take(3, "colour");
    colours.push_back(colour_of(rgb[0], rgb[1], rgb[2]));
  }
  return colours;
}

Bytes blocks_in(ByteReader& reader) {
  Bytes all;
  while (const auto size = reader.little<std::uint8_t>("block")) append(all, reader.take(size, "block"));
  return all;
}

/// LZW as a reader does it, written from the specification and independent of the writer.
std::vector<int> unpack(const Bytes& packed, int bits) {
  const int clear = 1 << bits, stop = clear + 1;
  std::vector<std::vector<int>> table;
  std::vector<int> out, previous;
  int width = bits + 1;
  std::size_t at = 0;
  for (;;) {
    int code = 0;
    if ((at + static_cast<std::size_t>(width) + 7) / 8 > packed.size())
      FAIL("the packed pixels end without an end code");
    for (int i = 0; i < width; ++i, ++at) { code |= (packed[at / 8] >> (at % 8) & 1) << i; }
    if (code == clear) {
      table.assign(static_cast<std::size_t>(clear) + 2, {});
      for (int i = 0; i < clear; ++i) table[static_cast<std::size_t>(i)] = {i};
      width = bits + 1;
      previous.clear();
      continue;
    }
    if (code == stop) break;
    std::vector<int> entry;
    if (static_cast<std::size_t>(code) > table.size()) FAIL("a code that is not known yet");
    if (static_cast<std::size_t>(code) < table.size()) {
      entry = table[static_cast<std::size_t>(code)];
    } else {
      if (previous.empty()) FAIL("a first code that is not known yet");
      entry = previous;
      entry.push_back(previous[0]);
    }
    out.insert(out.end(), entry.begin(), entry.end());
    if (!previous.empty() && table.size() < 4096) {
      previous.push_back(entry[0]);
      table.push_back(previous);
      if (table.size() == std::size_t{1} << width && width < 12) ++width;
    }
    previous = entry;
  }
  CHECK(packed.size() == (at + 7) / 8);  // nothing after the end
  return out;
}

Gif decode(const Bytes& bytes) {
  Gif gif;
  ByteReader reader(bytes, "gif");
  reader.expect("GIF89a", "signature");
  gif.width = reader.little<std::uint16_t>("width");
  gif.height = reader.little<std::uint16_t>("height");
  const int screen = reader.little<std::uint8_t>("flags");
  reader.take(2, "background, aspect");
  std::vector<Colour> shared;
  if ((screen & 0x80) != 0) shared = colours_in(reader, screen);
  int delay = 0;
  for (;;) {
    const int kind = reader.little<std::uint8_t>("kind");
    if (kind == 0x3B) break;
    if (kind == 0x21) {
      const int label = reader.little<std::uint8_t>("label");
      const Bytes content = blocks_in(reader);
      if (label == 0xF9) delay = load_little<std::uint16_t>(content.data() + 1);
      if (label == 0xFF) {
        CHECK(as_text(std::span(content).first(11)) == "NETSCAPE2.0");
        gif.repetitions = load_little<std::uint16_t>(content.data() + 12);
      }
      continue;
    }
    REQUIRE(kind == 0x2C);
    reader.take(4, "corner");
    CHECK(reader.little<std::uint16_t>("width") == gif.width);
    CHECK(reader.little<std::uint16_t>("height") == gif.height);
    const int flags = reader.little<std::uint8_t>("flags");
    const std::vector<Colour> colours = (flags & 0x80) != 0 ? colours_in(reader, flags) : shared;
    const int bits = reader.little<std::uint8_t>("bits");
    Frame frame;
    frame.delay = delay;
    for (const int index : unpack(blocks_in(reader), bits)) {
      if (static_cast<std::size_t>(index) >= colours.size()) FAIL("an index beyond the palette");
      frame.pixels.push_back(colours[static_cast<std::size_t>(index)]);
    }
    CHECK(frame.pixels.size() == static_cast<std::size_t>(gif.width * gif.height));
    gif.frames.push_back(frame);
  }
  CHECK(reader.remaining() == 0);
  return gif;
}

/// Pixels from a small generator, out of so many colours.
Tensor<std::uint8_t> noise(Index height, Index width, Index channels, std::uint32_t colours, std::uint32_t seed) {
  Tensor<std::uint8_t> frame(Shape{height, width, channels});
  std::uint8_t* p = frame.data();
  for (Index i = 0; i < height * width; ++i) {
    seed = seed * 1664525U + 1013904223U;
    const std::uint32_t colour = (seed >> 8) % colours * 2654435761U;
    for (Index c = 0; c < channels; ++c) p[i * channels + c] = static_cast<std::uint8_t>(colour >> (8 * c));
  }
  return frame;
}

int count_wrong(const Frame& frame, const Tensor<std::uint8_t>& wanted) {
  int wrong = 0;
  for (std::size_t i = 0; i < frame.pixels.size(); ++i) {
    wrong += frame.pixels[i] == colour_at(wanted.data(), static_cast<Index>(i), wanted.extent(2)) ? 0 : 1;
  }
  return wrong;
}

double error_of(const Bytes& bytes, const Tensor<std::uint8_t>& wanted) {
  const Gif gif = decode(bytes);
  double sum = 0;
  for (Index i = 0; i < wanted.size() / 3; ++i) {
    for (int c = 0; c < 3; ++c)
      sum += std::abs(channel(gif.frames[0].pixels[static_cast<std::size_t>(i)], c) - wanted[3 * i + c]);
  }
  return sum / static_cast<double>(wanted.size());
}

using Frames = std::vector<Tensor<std::uint8_t>>;

}  // namespace

TEST_CASE("gif: pixels come back exactly at every size and number of colours", "[io][gif]") {
  for (const auto& [height, width] : {std::array<Index, 2>{1, 1}, {1, 2}, {1, 255}, {7, 9}, {200, 300}}) {
    for (const std::uint32_t colours : {1U, 2U, 3U, 4U, 5U, 16U, 17U, 128U, 129U, 256U}) {
      const Frames frames = {noise(height, width, 3, colours, 1)};
      const Gif gif = decode(encode_gif(frames));
      REQUIRE(gif.frames.size() == 1);
      CHECK(gif.width == width);
      CHECK(gif.height == height);
      CHECK(gif.repetitions == -1);
      CHECK(count_wrong(gif.frames[0], frames[0]) == 0);
    }
  }
}

TEST_CASE("gif: LZW holds where codes widen and where the table is full", "[io][gif]") {
  // One pixel more each time, so that the last code falls on every position around a change of width.
  for (Index width = 1; width < 1200; ++width) {
    const Frames frames = {noise(1, width, 1, width % 2 == 0 ? 2 : 256, 7)};
    const Gif gif = decode(encode_gif(frames));
    if (count_wrong(gif.frames[0], frames[0]) != 0) FAIL(width);
  }
  for (Index width = 4080; width < 4110; ++width) {
    const Frames frames = {noise(1, width, 1, 256, 7)};
    if (count_wrong(decode(encode_gif(frames)).frames[0], frames[0]) != 0) FAIL(width);
  }
  const Frames flat = {Tensor<std::uint8_t>(Shape{1000, 1000, 1}, 77)};
  const Bytes bytes = encode_gif(flat);
  CHECK(bytes.size() < 3000);
  CHECK(count_wrong(decode(bytes).frames[0], flat[0]) == 0);
}

TEST_CASE("gif: animations keep their frames, delays and repetitions", "[io][gif]") {
  const Frames frames = {noise(12, 10, 3, 60, 1), noise(12, 10, 3, 60, 2), noise(12, 10, 3, 60, 3)};
  for (const bool shared : {false, true}) {
    const Gif gif = decode(encode_gif(frames, {.delay = 8, .last_delay = 200, .shared_palette = shared}));
    REQUIRE(gif.frames.size() == 3);
    CHECK(gif.repetitions == 0);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(gif.frames[i].delay == (i == 2 ? 200 : 8));
      CHECK(count_wrong(gif.frames[i], frames[i]) == 0);
    }
  }
  CHECK(decode(encode_gif(frames, {.plays = 1})).repetitions == -1);
  CHECK(decode(encode_gif(frames, {.plays = 3})).repetitions == 2);

  const test::Scratch scratch;
  write_gif(scratch / "a.gif", frames);
  CHECK(read_file(scratch / "a.gif") == encode_gif(frames));
  std::vector<Tensor<float>> floats;
  for (const auto& frame : frames) floats.push_back(from_8bit(frame));
  CHECK(encode_gif(std::span<const Tensor<float>>(floats)) == encode_gif(frames));
}

TEST_CASE("gif: more than 256 colours are chosen well", "[io][gif]") {
  // A smooth ramp over red and green: 65,536 colours on a plane; 256 boxes of 16 x 16 leave an error of 4 a channel.
  Tensor<std::uint8_t> ramp(Shape{256, 256, 3});
  std::uint8_t* p = ramp.data();
  for (Index i = 0; i < 65536; ++i) {
    p[3 * i] = static_cast<std::uint8_t>(i % 256), p[3 * i + 1] = static_cast<std::uint8_t>(i / 256),
          p[3 * i + 2] = 128;
  }
  const Frames frames = {ramp};
  CHECK(error_of(encode_gif(frames), ramp) < 2.7);
  CHECK(error_of(encode_gif(frames, {.dither = true}), ramp) < 8);

  // Dithering keeps the mean of an area.
  const Frames noisy = {noise(64, 64, 3, 4000, 5)};
  const Gif dithered = decode(encode_gif(noisy, {.dither = true}));
  for (int c = 0; c < 3; ++c) {
    double difference = 0;
    for (std::size_t i = 0; i < 4096; ++i) {
      difference += channel(dithered.frames[0].pixels[i], c) - noisy[0][static_cast<Index>(3 * i) + c];
    }
    CHECK(std::abs(difference / 4096) < 0.5);
  }
  // 257 colours: all but one or two stay as they are.
  const Frames many = {noise(100, 100, 3, 257, 3)};
  CHECK(count_wrong(decode(encode_gif(many)).frames[0], many[0]) < 300);
}

TEST_CASE("gif: the palette is the same whatever the order of the pixels", "[io][gif]") {
  std::vector<Colour> pixels, reversed;
  for (Colour i = 0; i < 5000; ++i) pixels.push_back(i * 2654435761U % 3000U * 5000U | 0xFF000000U);
  reversed.assign(pixels.rbegin(), pixels.rend());
  const Palette a = choose_palette(pixels), b = choose_palette(reversed), few = choose_palette(pixels, 16);
  REQUIRE(a.size() == b.size());
  CHECK(a.size() > 250);
  CHECK(few.size() == 16);
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == b[i]);
}

TEST_CASE("gif: what GIF cannot hold is refused", "[io][gif]") {
  CHECK_THROWS_AS(encode_gif(Frames{}), argument_error);
  CHECK_THROWS_AS(encode_gif(Frames{noise(2, 2, 4, 9, 1)}), shape_error);
  CHECK_THROWS_AS(encode_gif(Frames{Tensor<std::uint8_t>(Shape{0, 2, 3})}), shape_error);
  CHECK_THROWS_AS(encode_gif(Frames{Tensor<std::uint8_t>(Shape{1, 65536, 1})}), shape_error);
  CHECK_THROWS_AS(encode_gif(Frames{noise(2, 2, 3, 9, 1), noise(2, 3, 3, 9, 1)}), shape_error);
  CHECK_THROWS_AS(encode_gif(Frames{noise(2, 2, 3, 9, 1)}, {.delay = -1}), argument_error);
}
