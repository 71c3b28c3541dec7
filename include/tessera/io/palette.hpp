// At most 256 colours for a picture: its own if it has no more, else chosen by median cut.
//
// Median cut (Heckbert 1982, "Color image quantization for frame buffer display"): all colours start in one box; the
// box that loses most is cut at the median of its longest side, until there are 256; a box's colour is the mean of
// its pixels. Here "loses most" is pixels times the square of the longest side. Deterministic: no random start, ties
// go to the first.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <tessera/core/index.hpp>

namespace tessera {

/// Four channels in one number, as read from bytes in order: 0xAABBGGRR.
using Colour = std::uint32_t;

constexpr Colour colour_of(std::uint8_t red, std::uint8_t green, std::uint8_t blue, std::uint8_t alpha = 255) {
  return static_cast<Colour>(red) | static_cast<Colour>(green) << 8 | static_cast<Colour>(blue) << 16 |
         static_cast<Colour>(alpha) << 24;
}

constexpr int channel(Colour colour, int which) { return static_cast<int>(colour >> (8 * which) & 255U); }

/// Pixel i of interleaved bytes with 1 (grey), 3 or 4 channels.
inline Colour colour_at(const std::uint8_t* pixels, Index i, Index channels) {
  const std::uint8_t* p = pixels + i * channels;
  return channels == 1 ? colour_of(p[0], p[0], p[0])
                       : colour_of(p[0], p[1], p[2], channels == 4 ? p[3] : std::uint8_t{255});
}

/// Up to 256 colours, numbered in the order they were added.
class Palette {
 public:
  static constexpr int capacity = 256;

  /// The number of a colour, which is added if it is new; -1 if there is no room.
  int add(Colour colour) {
    const std::size_t at = slot(colour);
    if (slots_[at] < 0) {
      if (colours_.size() == capacity) return -1;
      slots_[at] = static_cast<std::int16_t>(colours_.size());
      colours_.push_back(colour);
    }
    return slots_[at];
  }

  /// The number of a colour, -1 if it is not in the palette.
  int find(Colour colour) const { return slots_[slot(colour)]; }

  /// The number of the colour nearest in RGB, the first of equals.
  int nearest(int red, int green, int blue) const {
    int best = 0, least = 1 << 30;
    for (std::size_t i = 0; i < colours_.size(); ++i) {
      const int r = channel(colours_[i], 0) - red, g = channel(colours_[i], 1) - green,
                b = channel(colours_[i], 2) - blue;
      const int distance = r * r + g * g + b * b;
      if (distance < least) least = distance, best = static_cast<int>(i);
    }
    return best;
  }

  std::size_t size() const { return colours_.size(); }
  Colour operator[](std::size_t i) const { return colours_[i]; }

 private:
  /// Where the colour is, or where it would go: open addressing, never more than a quarter full.
  std::size_t slot(Colour colour) const {
    std::size_t at = colour * 2654435761U >> 22;  // Knuth's multiplicative hash, the upper 10 bits
    while (slots_[at] >= 0 && colours_[static_cast<std::size_t>(slots_[at])] != colour) at = (at + 1) % slots_.size();
    return at;
  }

  static constexpr std::array<std::int16_t, 1024> no_slots() {
    std::array<std::int16_t, 1024> slots{};
    for (auto& s : slots) s = -1;
    return slots;
  }

  std::vector<Colour> colours_;
  std::array<std::int16_t, 1024> slots_ = no_slots();
};

/// A palette of at most `limit` colours for these pixels (alpha is ignored when there are more colours than that).
inline Palette choose_palette(std::vector<Colour> pixels, int limit = Palette::capacity) {
  struct Counted {
    Colour colour;
    std::int64_t count;
  };
  std::sort(pixels.begin(), pixels.end());
  std::vector<Counted> colours;
  for (const Colour colour : pixels) {
    if (colours.empty() || colours.back().colour != colour) colours.push_back({colour, 0});
    ++colours.back().count;
  }
  Palette palette;
  if (colours.size() <= static_cast<std::size_t>(limit)) {
    for (const Counted& c : colours) palette.add(c.colour);
    return palette;
  }

  struct Box {
    std::size_t begin, end;  // in colours
    int axis, length;        // the longest side
    std::int64_t pixels;
    std::int64_t loss() const { return pixels * length * length; }
  };
  const auto measure = [&](std::size_t begin, std::size_t end) {
    Box box{begin, end, 0, -1, 0};
    for (int axis = 0; axis < 3; ++axis) {
      int low = 255, high = 0;
      for (std::size_t i = begin; i < end; ++i) {
        low = std::min(low, channel(colours[i].colour, axis));
        high = std::max(high, channel(colours[i].colour, axis));
      }
      if (high - low > box.length) box.axis = axis, box.length = high - low;
    }
    for (std::size_t i = begin; i < end; ++i) box.pixels += colours[i].count;
    return box;
  };
  std::vector<Box> boxes{measure(0, colours.size())};
  while (boxes.size() < static_cast<std::size_t>(limit)) {
    std::size_t worst = 0;
    for (std::size_t i = 1; i < boxes.size(); ++i) {
      if (boxes[i].loss() > boxes[worst].loss()) worst = i;
    }
    const Box box = boxes[worst];
    if (box.length <= 0) break;  // only colours that differ in alpha are left
    const auto at = [&](std::size_t i) { return colours.begin() + static_cast<std::ptrdiff_t>(i); };
    std::sort(at(box.begin), at(box.end), [&](const Counted& a, const Counted& b) {
      const int x = channel(a.colour, box.axis), y = channel(b.colour, box.axis);
      return x != y ? x < y : a.colour < b.colour;
    });
    std::size_t middle = box.begin;
    for (std::int64_t seen = 0; middle < box.end - 1 && 2 * (seen + colours[middle].count) <= box.pixels; ++middle) {
      seen += colours[middle].count;
    }
    middle = std::max(middle, box.begin + 1);
    boxes[worst] = measure(box.begin, middle);
    boxes.push_back(measure(middle, box.end));
  }
  for (const Box& box : boxes) {
    std::array<std::int64_t, 3> sum{};
    for (std::size_t i = box.begin; i < box.end; ++i) {
      for (int axis = 0; axis < 3; ++axis) {
        sum[static_cast<std::size_t>(axis)] += channel(colours[i].colour, axis) * colours[i].count;
      }
    }
    const auto mean = [&](std::size_t axis) {
      return static_cast<std::uint8_t>((sum[axis] + box.pixels / 2) / box.pixels);
    };
    palette.add(colour_of(mean(0), mean(1), mean(2)));
  }
  return palette;
}

}  // namespace tessera
