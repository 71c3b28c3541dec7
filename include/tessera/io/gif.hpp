// GIF89a, written: animations of at most 256 colours a frame (CompuServe 1990, "Graphics Interchange Format, version
// 89a").
//
//   write_gif("forming.gif", frames, {.delay = 8, .last_delay = 200});
//
// Frames are pictures [H, W, C] of one size, C = 1 or 3. Colours are kept exactly if there are at most 256, else
// chosen by median cut (palette.hpp). Pixels are packed by LZW (Welch 1984, "A technique for high-performance data
// compression").
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/core/tensor.hpp>
#include <tessera/io/bytes.hpp>
#include <tessera/io/file.hpp>
#include <tessera/io/palette.hpp>
#include <tessera/io/pixels.hpp>

namespace tessera {

struct GifOptions {
  int delay = 10;               // 1/100 s a frame; viewers slow down what is below 2
  int last_delay = 0;           // 1/100 s for the last frame; 0: as the others
  int plays = 0;                // how often; 0: for ever
  bool shared_palette = false;  // one palette for all frames: steadier and smaller, but coarser
  bool dither = false;          // Floyd and Steinberg's error diffusion, where colours had to be chosen
};

namespace io_detail {

/// LZW with codes of growing width, packed from the lowest bit up into blocks of at most 255 bytes.
class GifPacker {
 public:
  GifPacker(Bytes& out, int bits) : out_(out), bits_(bits) {
    out_.push_back(static_cast<std::uint8_t>(bits));
    start_over();
  }

  void pack(std::span<const std::uint8_t> indices) {
    int prefix = -1;
    for (const std::uint8_t index : indices) {
      if (prefix < 0) {
        prefix = index;
        continue;
      }
      const auto key = static_cast<std::int32_t>(prefix << 8 | index);
      const std::size_t at = slot(key);
      if (keys_[at] == key) {
        prefix = codes_[at];
        continue;
      }
      put(prefix);
      if (next_ < 4096) {
        keys_[at] = key;
        codes_[at] = static_cast<std::int16_t>(next_);
        count_code();
      } else {
        start_over();
      }
      prefix = index;
    }
    if (prefix >= 0) {
      put(prefix);
      count_code();  // the reader makes one more entry here, and may widen its codes for it
    }
    put((1 << bits_) + 1);
    if (filled_ > 0) put_byte(static_cast<std::uint8_t>(buffer_));
    flush();
    out_.push_back(0);
  }

 private:
  void start_over() {
    if (width_ == 0) width_ = bits_ + 1;
    put(1 << bits_);  // "clear", still in the old width
    width_ = bits_ + 1;
    next_ = (1 << bits_) + 2;
    keys_.assign(slots, -1);
    codes_.resize(slots);
  }

  /// A reader knows a code one step later than we make it, so codes widen when the last made no longer fits.
  void count_code() {
    if (next_ == 1 << width_ && width_ < 12) ++width_;
    ++next_;
  }

  std::size_t slot(std::int32_t key) const {
    std::size_t at = static_cast<std::uint32_t>(key) * 2654435761U >> 19;
    while (keys_[at] >= 0 && keys_[at] != key) at = (at + 1) % slots;
    return at;
  }

  void put(int code) {
    buffer_ |= static_cast<std::uint32_t>(code) << filled_;
    for (filled_ += width_; filled_ >= 8; filled_ -= 8, buffer_ >>= 8) put_byte(static_cast<std::uint8_t>(buffer_));
  }

  void put_byte(std::uint8_t byte) {
    block_.push_back(byte);
    if (block_.size() == 255) flush();
  }

  void flush() {
    if (block_.empty()) return;
    out_.push_back(static_cast<std::uint8_t>(block_.size()));
    append(out_, block_);
    block_.clear();
  }

  static constexpr std::size_t slots = 8192;  // at most 4096 are used

  Bytes& out_;
  int bits_, width_ = 0, next_ = 0;
  std::vector<std::int32_t> keys_;
  std::vector<std::int16_t> codes_;
  std::uint32_t buffer_ = 0;
  int filled_ = 0;
  Bytes block_;
};

/// The palette's number for every pixel.
inline Bytes gif_indices(const Tensor<std::uint8_t>& frame, const Palette& palette, bool dither) {
  const Index height = frame.extent(0), width = frame.extent(1), channels = frame.extent(2);
  const std::uint8_t* pixels = frame.data();
  Bytes indices(static_cast<std::size_t>(height * width));
  if (!dither) {
    // Neighbours are often alike, so the last answers are kept in a small table.
    constexpr std::size_t kept = 4096;
    std::vector<std::pair<Colour, int>> answers(kept, {0, -1});
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const Colour colour = colour_at(pixels, static_cast<Index>(i), channels);
      auto& [known, answer] = answers[colour * 2654435761U >> 20];
      if (answer < 0 || known != colour) {
        known = colour;
        answer = palette.find(colour);
        if (answer < 0) answer = palette.nearest(channel(colour, 0), channel(colour, 1), channel(colour, 2));
      }
      indices[i] = static_cast<std::uint8_t>(answer);
    }
    return indices;
  }
  // Floyd and Steinberg 1976: 7/16 of the error to the right, 3/16, 5/16 and 1/16 to the row below. Errors in 1/16.
  std::vector<int> here(static_cast<std::size_t>(3 * (width + 2))), below(here.size());
  for (Index y = 0; y < height; ++y) {
    for (Index x = 0; x < width; ++x) {
      const Colour colour = colour_at(pixels, y * width + x, channels);
      int* error = here.data() + 3 * (x + 1);
      int* next = below.data() + 3 * (x + 1);
      int wanted[3];
      for (int c = 0; c < 3; ++c)
        wanted[c] = std::clamp(channel(colour, c) + (error[c] + (error[c] < 0 ? -8 : 8)) / 16, 0, 255);
      const int index = palette.nearest(wanted[0], wanted[1], wanted[2]);
      indices[static_cast<std::size_t>(y * width + x)] = static_cast<std::uint8_t>(index);
      for (int c = 0; c < 3; ++c) {
        const int missed = wanted[c] - channel(palette[static_cast<std::size_t>(index)], c);
        error[c + 3] += 7 * missed;
        next[c - 3] += 3 * missed;
        next[c] += 5 * missed;
        next[c + 3] += missed;
      }
    }
    std::swap(here, below);
    below.assign(below.size(), 0);
  }
  return indices;
}

class GifEncoder {
 public:
  GifEncoder(std::span<const Tensor<std::uint8_t>> frames, const GifOptions& options)
      : frames_(frames), options_(options) {
    if (frames.empty()) throw argument_error("write_gif: expected at least one frame");
    const Shape& shape = frames[0].shape();
    if (shape.rank() != 3 || (shape[2] != 1 && shape[2] != 3) || shape[0] < 1 || shape[0] > 65535 || shape[1] < 1 ||
        shape[1] > 65535) {
      throw shape_error("write_gif: expected frames [H, W, C] with C = 1 or 3 and 1 to 65535 pixels each way, found " +
                        shape.to_string());
    }
    for (const auto& frame : frames) {
      if (frame.shape() != shape) {
        throw shape_error("write_gif: expected frames of one shape, found " + shape.to_string() + " and " +
                          frame.shape().to_string());
      }
    }
    for (const int number : {options.delay, options.last_delay, options.plays}) {
      if (number < 0 || number > 65535) {
        throw argument_error("write_gif: delays and plays are 0 to 65535, found " + std::to_string(number));
      }
    }
  }

  Bytes encode() {
    const auto height = static_cast<std::uint16_t>(frames_[0].extent(0)),
               width = static_cast<std::uint16_t>(frames_[0].extent(1));
    append(out_, "GIF89a");
    append_little(out_, width);
    append_little(out_, height);
    Palette shared;
    if (options_.shared_palette) shared = palette_of(frames_);
    put_screen(options_.shared_palette ? &shared : nullptr);
    if (frames_.size() > 1 && options_.plays != 1) {
      append(out_,
             "\x21\xFF\x0B"
             "NETSCAPE2.0"
             "\x03\x01");
      append_little(out_, static_cast<std::uint16_t>(options_.plays == 0 ? 0 : options_.plays - 1));  // repetitions
      out_.push_back(0);
    }
    for (std::size_t i = 0; i < frames_.size(); ++i) {
      const bool last = i + 1 == frames_.size();
      append(out_, "\x21\xF9\x04\x04");  // leave the frame in place
      append_little(out_,
                    static_cast<std::uint16_t>(last && options_.last_delay > 0 ? options_.last_delay : options_.delay));
      append_little(out_, std::uint16_t{0});  // no transparent colour
      out_.push_back(0x2C);
      append_little(out_, std::uint32_t{0});  // from the left upper corner
      append_little(out_, width);
      append_little(out_, height);
      if (options_.shared_palette) {
        out_.push_back(0);
        put_pixels(frames_[i], shared);
      } else {
        const Palette own = palette_of(frames_.subspan(i, 1));
        out_.push_back(static_cast<std::uint8_t>(0x80 | (bits_of_palette(own) - 1)));
        put_colours(own);
        put_pixels(frames_[i], own);
      }
    }
    out_.push_back(0x3B);
    return std::move(out_);
  }

 private:
  static Palette palette_of(std::span<const Tensor<std::uint8_t>> frames) {
    std::vector<Colour> pixels;
    for (const auto& frame : frames) {
      const Index channels = frame.extent(2), count = frame.size() / channels;
      for (Index i = 0; i < count; ++i) pixels.push_back(colour_at(frame.data(), i, channels));
    }
    return choose_palette(std::move(pixels));
  }

  static int bits_of_palette(const Palette& palette) {
    int bits = 1;
    while (std::size_t{1} << bits < palette.size()) ++bits;
    return bits;
  }

  void put_screen(const Palette* shared) {
    out_.push_back(static_cast<std::uint8_t>(0x70 | (shared != nullptr ? 0x80 | (bits_of_palette(*shared) - 1) : 0)));
    append_little(out_, std::uint16_t{0});  // background colour, square pixels
    if (shared != nullptr) put_colours(*shared);
  }

  void put_colours(const Palette& palette) {
    for (std::size_t i = 0; i < std::size_t{1} << bits_of_palette(palette); ++i) {
      for (int c = 0; c < 3; ++c)
        out_.push_back(i < palette.size() ? static_cast<std::uint8_t>(channel(palette[i], c)) : std::uint8_t{0});
    }
  }

  void put_pixels(const Tensor<std::uint8_t>& frame, const Palette& palette) {
    const int bits = bits_of_palette(palette);
    GifPacker(out_, bits < 2 ? 2 : bits).pack(gif_indices(frame, palette, options_.dither));
  }

  std::span<const Tensor<std::uint8_t>> frames_;
  GifOptions options_;
  Bytes out_;
};

}  // namespace io_detail

/// The file's bytes. Throws shape_error or argument_error for what GIF cannot hold.
inline Bytes encode_gif(std::span<const Tensor<std::uint8_t>> frames, const GifOptions& options = {}) {
  return io_detail::GifEncoder(frames, options).encode();
}

/// The same for frames in [-1, 1]: clamped and rounded, NaN becomes 0.
inline Bytes encode_gif(std::span<const Tensor<float>> frames, const GifOptions& options = {}) {
  std::vector<Tensor<std::uint8_t>> levels;
  for (const auto& frame : frames) levels.push_back(to_8bit(frame));
  return encode_gif(std::span<const Tensor<std::uint8_t>>(levels), options);
}

template <class T>
void write_gif(const std::string& path, const std::vector<Tensor<T>>& frames, const GifOptions& options = {}) {
  write_file(path, encode_gif(std::span<const Tensor<T>>(frames), options));
}

}  // namespace tessera
