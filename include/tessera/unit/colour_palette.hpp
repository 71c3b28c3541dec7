// Palettes of 2 to 512 colours, learned from pictures: a pixel is then one of so few units that a model can choose it.
//
//   const auto palette = learn_palette(pictures, 256, Noise{1});
//   const auto units = palette.encode(picture);            // [H, W] -> [H W], raster order
//   write_png("seen.png", palette.decode(units, H, W));
//
// k-means (Lloyd, 1957, published 1982, "Least squares quantization in PCM") in OKLab, where equal distances look
// equally different, from the start of k-means++ (Arthur and Vassilvitskii, 2007): each next colour is drawn with a
// probability proportional to its squared distance from those before. The seed decides; the number of threads does not.
//
// With dithering a pixel's error is handed to its neighbours that are still to come, 7, 3, 5 and 1 sixteenths (Floyd
// and Steinberg, 1976, "An adaptive algorithm for spatial grey scale"), here in OKLab too. io/palette.hpp is the other
// palette of the library: at most 256 colours of a picture kept exactly, or by median cut, for GIF and PNG files.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <tessera/core/noise.hpp>
#include <tessera/core/tensor.hpp>
#include <tessera/io/palette.hpp>
#include <tessera/kernel/pack.hpp>
#include <tessera/kernel/parallel.hpp>
#include <tessera/unit/oklab.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

namespace detail {

/// Points in OKLab, one array a coordinate, padded to whole packs.
struct LabPoints {
  std::vector<float> l, a, b;
  Index count = 0;

  explicit LabPoints(std::size_t size = 0) { resize(size); }
  void resize(std::size_t size) {
    count = static_cast<Index>(size);
    for (auto* v : {&l, &a, &b}) v->assign(size + 16, 0.0F);
  }
  void set(std::size_t i, const OkLab& c) { l[i] = c.l, a[i] = c.a, b[i] = c.b; }
  OkLab operator[](std::size_t i) const { return {l[i], a[i], b[i]}; }
};

/// The nearest centre of every point, the first of equals, and its squared distance. Both are padded like the points.
inline void nearest_centres(const LabPoints& points, const LabPoints& centres, std::vector<float>& distance,
                            std::vector<std::int32_t>& which) {
  using P = kernel::Pack<float>;
  distance.assign(points.l.size(), 0.0F);
  which.assign(points.l.size(), 0);
  kernel::parallel_for(points.count, 4096, [&](Index begin, Index end) {
    for (Index i = begin; i < end; i += P::width) {
      const P l = P::load(points.l.data() + i), a = P::load(points.a.data() + i), b = P::load(points.b.data() + i);
      P least(1e30F), best(0.0F);
      for (Index c = 0; c < centres.count; ++c) {
        const auto k = static_cast<std::size_t>(c);
        const P x = l - P(centres.l[k]), y = a - P(centres.a[k]), z = b - P(centres.b[k]);
        const P d = fma(x, x, fma(y, y, z * z));
        const auto nearer = d < least;
        least = select(nearer, d, least);
        best = select(nearer, P(static_cast<float>(c)), best);
      }
      least.store(distance.data() + i);
      float index[P::width];
      best.store(index);
      for (Index j = 0; j < P::width; ++j) which[static_cast<std::size_t>(i + j)] = static_cast<std::int32_t>(index[j]);
    }
  });
}

}  // namespace detail

class ColourPalette {
 public:
  static constexpr std::size_t most = 512;

  ColourPalette() = default;
  /// Throws argument_error unless there are 1 to 512.
  explicit ColourPalette(std::vector<Colour> colours) : colours_(std::move(colours)), points_(colours_.size()) {
    if (colours_.empty() || colours_.size() > most)
      throw argument_error("ColourPalette: 1 to 512 colours wanted, found " + std::to_string(colours_.size()));
    for (std::size_t i = 0; i < colours_.size(); ++i) points_.set(i, lab(colours_[i]));
  }
  /// From what tensor() made: [N, 3] of bytes.
  explicit ColourPalette(const Tensor<std::uint8_t>& rgb) : ColourPalette(rows(rgb)) {}

  Index size() const { return static_cast<Index>(colours_.size()); }
  Colour operator[](std::size_t i) const { return colours_[i]; }
  std::span<const Colour> colours() const { return colours_; }
  /// [N, 3], to be saved with a model.
  Tensor<std::uint8_t> tensor() const {
    Tensor<std::uint8_t> rgb(Shape{size(), 3});
    std::uint8_t* to = rgb.data();
    for (const Colour colour : colours_) {
      for (int c = 0; c < 3; ++c) *to++ = static_cast<std::uint8_t>(channel(colour, c));
    }
    return rgb;
  }

  /// The colour that looks most like this one, the first of equals.
  std::int32_t nearest(const OkLab& c) const {
    std::int32_t best = 0;
    float least = 1e30F;
    for (std::size_t i = 0; i < colours_.size(); ++i) {
      const float x = c.l - points_.l[i], y = c.a - points_.a[i], z = c.b - points_.b[i];
      const float d = x * x + y * y + z * z;
      if (d < least) least = d, best = static_cast<std::int32_t>(i);
    }
    return best;
  }
  std::int32_t nearest(Colour colour) const { return nearest(lab(colour)); }

  /// Pictures [..., H, W, 3] -> units [..., H W] in raster order. Throws shape_error.
  Tensor<std::int32_t> encode(const Tensor<std::uint8_t>& pictures, bool dither = false) const {
    if (pictures.rank() < 3 || pictures.extent(-1) != 3)
      throw shape_error("ColourPalette: pictures [H, W, 3] wanted, shape is " + pictures.shape().to_string());
    if (colours_.empty()) throw argument_error("ColourPalette: there are no colours yet");
    const Index height = pictures.extent(-3), width = pictures.extent(-2);
    Tensor<std::int32_t> units(pictures.shape().without(-1).without(-1).with(-1, height * width));
    std::int32_t* to = units.data();
    if (dither) {
      const Index each = height * width;
      for (Index p = 0; each > 0 && p < units.size() / each; ++p)
        encode_dithered(pictures.data() + p * each * 3, height, width, to + p * each);
      return units;
    }
    detail::LabPoints points(static_cast<std::size_t>(units.size()));
    for (Index i = 0; i < units.size(); ++i)
      points.set(static_cast<std::size_t>(i), lab(colour_at(pictures.data(), i, 3)));
    std::vector<float> distance;
    std::vector<std::int32_t> which;
    detail::nearest_centres(points, points_, distance, which);
    for (Index i = 0; i < units.size(); ++i) to[i] = which[static_cast<std::size_t>(i)];
    return units;
  }

  /// Units [..., H W] -> pictures [..., H, W, 3]. Throws shape_error, or argument_error for a unit that is no colour.
  Tensor<std::uint8_t> decode(const Tensor<std::int32_t>& units, Index height, Index width) const {
    if (units.rank() < 1 || units.extent(-1) != height * width)
      throw shape_error("ColourPalette: [..., " + std::to_string(height * width) + "] units wanted for " +
                        std::to_string(height) + " x " + std::to_string(width) + ", shape is " +
                        units.shape().to_string());
    Tensor<std::uint8_t> pictures(units.shape().with(-1, height).append(width).append(3));
    std::uint8_t* to = pictures.data();
    for (Index i = 0, n = units.size(); i < n; ++i) {
      const std::int32_t unit = units[i];
      if (unit < 0 || unit >= size())
        throw argument_error("ColourPalette: unit " + std::to_string(unit) + " at position " + std::to_string(i) +
                             " is not in [0, " + std::to_string(size()) + ")");
      for (int c = 0; c < 3; ++c)
        *to++ = static_cast<std::uint8_t>(channel(colours_[static_cast<std::size_t>(unit)], c));
    }
    return pictures;
  }

  static OkLab lab(Colour c) {
    return oklab_from_rgb(static_cast<std::uint8_t>(channel(c, 0)), static_cast<std::uint8_t>(channel(c, 1)),
                          static_cast<std::uint8_t>(channel(c, 2)));
  }

 private:
  static std::vector<Colour> rows(const Tensor<std::uint8_t>& rgb) {
    if (rgb.rank() != 2 || rgb.extent(1) != 3)
      throw shape_error("ColourPalette: colours [N, 3] wanted, shape is " + rgb.shape().to_string());
    std::vector<Colour> colours;
    for (Index i = 0; i < rgb.extent(0); ++i) colours.push_back(colour_at(rgb.data(), i, 3));
    return colours;
  }

  void encode_dithered(const std::uint8_t* pixels, Index height, Index width, std::int32_t* to) const {
    const auto row = static_cast<std::size_t>(width + 2);
    std::vector<OkLab> here(row), below(row);  // errors handed on, one pixel wider on both sides
    const auto give = [](OkLab& e, const OkLab& missed, float share) {
      e.l += share * missed.l, e.a += share * missed.a, e.b += share * missed.b;
    };
    for (Index y = 0; y < height; ++y) {
      for (Index x = 0; x < width; ++x) {
        const auto at = static_cast<std::size_t>(x + 1);
        OkLab wanted = lab(colour_at(pixels, y * width + x, 3));
        wanted.l += here[at].l, wanted.a += here[at].a, wanted.b += here[at].b;
        wanted.l = std::clamp(wanted.l, 0.0F, 1.0F);  // a colour that the palette cannot reach must not pile up error
        const std::int32_t unit = *to++ = nearest(wanted);
        const OkLab found = points_[static_cast<std::size_t>(unit)];
        const OkLab missed{wanted.l - found.l, std::clamp(wanted.a - found.a, -0.1F, 0.1F),
                           std::clamp(wanted.b - found.b, -0.1F, 0.1F)};
        give(here[at + 1], missed, 7.0F / 16);
        give(below[at - 1], missed, 3.0F / 16);
        give(below[at], missed, 5.0F / 16);
        give(below[at + 1], missed, 1.0F / 16);
      }
      here.swap(below);
      below.assign(row, OkLab{});
    }
  }

  std::vector<Colour> colours_;
  detail::LabPoints points_;
};

struct PaletteOptions {
  int rounds = 40;  // of Lloyd's algorithm at most; it ends when no pixel changes its colour
};

namespace detail {

/// Different colours, how many pixels have each, in order of their numbers. Beyond 65,536 of them, colours that share
/// the upper 6 bits of each channel are one point at their mean.
struct WeightedColours {
  std::vector<Colour> colours;  // of a point; of its first pixel where several share one
  LabPoints points;
  std::vector<double> weight;

  explicit WeightedColours(std::vector<Colour> pixels) {
    std::sort(pixels.begin(), pixels.end());
    std::vector<double> counts;
    for (const Colour c : pixels) {
      if (colours.empty() || colours.back() != c) colours.push_back(c), counts.push_back(0);
      ++counts.back();
    }
    if (colours.size() <= 65536) {
      points.resize(colours.size());
      for (std::size_t i = 0; i < colours.size(); ++i) points.set(i, ColourPalette::lab(colours[i]));
      weight = std::move(counts);
      return;
    }
    struct Sum {
      double l = 0, a = 0, b = 0, weight = 0;
    };
    std::vector<Sum> boxes(std::size_t{1} << 18);
    for (std::size_t i = 0; i < colours.size(); ++i) {
      const auto part = [&](int c) { return static_cast<std::size_t>(channel(colours[i], c)) >> 2; };
      Sum& s = boxes[part(0) << 12 | part(1) << 6 | part(2)];
      const OkLab lab = ColourPalette::lab(colours[i]);
      s.l += counts[i] * static_cast<double>(lab.l), s.a += counts[i] * static_cast<double>(lab.a);
      s.b += counts[i] * static_cast<double>(lab.b), s.weight += counts[i];
    }
    std::vector<OkLab> means;
    for (const Sum& s : boxes) {
      if (s.weight == 0) continue;
      means.push_back(
          {static_cast<float>(s.l / s.weight), static_cast<float>(s.a / s.weight), static_cast<float>(s.b / s.weight)});
      weight.push_back(s.weight);
    }
    points.resize(means.size());
    for (std::size_t i = 0; i < means.size(); ++i) points.set(i, means[i]);
  }
};

/// The start of k-means++.
inline LabPoints first_centres(const WeightedColours& from, Index count, const Noise& noise) {
  LabPoints centres(static_cast<std::size_t>(count));
  LabPoints last(1);
  std::vector<double> least(from.weight.size(), 1e30);
  std::vector<float> distance;
  std::vector<std::int32_t> which;
  for (Index c = 0; c < count; ++c) {
    double sum = 0;
    const auto share = [&](std::size_t i) { return from.weight[i] * (c == 0 ? 1.0 : least[i]); };
    for (std::size_t i = 0; i < from.weight.size(); ++i) sum += share(i);
    const double mark = noise.unit(static_cast<std::uint64_t>(c)) * sum;
    std::size_t chosen = 0;
    double below = 0;
    for (std::size_t i = 0; i < from.weight.size(); ++i) {
      if (share(i) > 0) chosen = i;
      below += share(i);
      if (below > mark) break;
    }
    last.set(0, from.points[chosen]);
    centres.set(static_cast<std::size_t>(c), from.points[chosen]);
    nearest_centres(from.points, last, distance, which);
    for (std::size_t i = 0; i < least.size(); ++i) least[i] = std::min(least[i], static_cast<double>(distance[i]));
  }
  return centres;
}

/// Lloyd's rounds: every point to its nearest centre, every centre to the mean of its points. A centre without points
/// moves to the point that is served worst.
inline void settle(const WeightedColours& from, LabPoints& centres, int rounds) {
  std::vector<float> distance;
  std::vector<std::int32_t> which, before;
  struct Sum {
    double l = 0, a = 0, b = 0, weight = 0;
  };
  for (int round = 0; round < rounds; ++round) {
    nearest_centres(from.points, centres, distance, which);
    if (which == before) return;
    std::vector<Sum> sums(static_cast<std::size_t>(centres.count));
    for (std::size_t i = 0; i < from.weight.size(); ++i) {
      Sum& s = sums[static_cast<std::size_t>(which[i])];
      const OkLab p = from.points[i];
      const double w = from.weight[i];
      s.l += w * static_cast<double>(p.l), s.a += w * static_cast<double>(p.a), s.b += w * static_cast<double>(p.b);
      s.weight += w;
    }
    for (std::size_t c = 0; c < sums.size(); ++c) {
      const Sum& s = sums[c];
      if (s.weight > 0) {
        centres.set(c, {static_cast<float>(s.l / s.weight), static_cast<float>(s.a / s.weight),
                        static_cast<float>(s.b / s.weight)});
        continue;
      }
      std::size_t worst = 0;
      for (std::size_t i = 1; i < from.weight.size(); ++i) {
        if (static_cast<double>(distance[i]) * from.weight[i] >
            static_cast<double>(distance[worst]) * from.weight[worst])
          worst = i;
      }
      centres.set(c, from.points[worst]);
      distance[worst] = 0;
    }
    before.swap(which);
  }
}

}  // namespace detail

/// At most `colours` colours, dark to light, for pictures [..., H, W, 3]; exactly theirs when they have no more. Throws
/// shape_error, or argument_error unless 2 <= colours <= 512 and there are pixels.
inline ColourPalette learn_palette(std::span<const Tensor<std::uint8_t>> pictures, Index colours, const Noise& noise,
                                   const PaletteOptions& options = {}) {
  if (colours < 2 || colours > static_cast<Index>(ColourPalette::most))
    throw argument_error("learn_palette: 2 to 512 colours wanted, found " + std::to_string(colours));
  std::vector<Colour> pixels;
  for (const auto& picture : pictures) {
    if (picture.rank() < 3 || picture.extent(-1) != 3)
      throw shape_error("learn_palette: pictures [H, W, 3] wanted, shape is " + picture.shape().to_string());
    for (Index i = 0; i < picture.size() / 3; ++i) pixels.push_back(colour_at(picture.data(), i, 3));
  }
  if (pixels.empty()) throw argument_error("learn_palette: there are no pixels to learn from");
  const detail::WeightedColours from(std::move(pixels));
  std::vector<Colour> chosen;
  if (static_cast<Index>(from.weight.size()) <= colours && !from.colours.empty() &&
      from.colours.size() == from.weight.size()) {
    chosen = from.colours;
  } else {
    detail::LabPoints centres = detail::first_centres(from, colours, noise);
    detail::settle(from, centres, options.rounds);
    for (Index c = 0; c < colours; ++c) {
      const auto rgb = rgb_from_oklab(centres[static_cast<std::size_t>(c)]);
      chosen.push_back(colour_of(rgb[0], rgb[1], rgb[2]));
    }
  }
  const auto lightness = [](Colour c) { return ColourPalette::lab(c).l; };
  std::sort(chosen.begin(), chosen.end(), [&](Colour x, Colour y) {
    const float lx = lightness(x), ly = lightness(y);
    return lx != ly ? lx < ly : x < y;
  });
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  return ColourPalette(std::move(chosen));
}
inline ColourPalette learn_palette(const Tensor<std::uint8_t>& pictures, Index colours, const Noise& noise,
                                   const PaletteOptions& options = {}) {
  return learn_palette(std::span(&pictures, 1), colours, noise, options);
}

}  // namespace tessera::inline TESSERA_ISA
