#include "examples/support/plot.hpp"

#include <ft2build.h>
#include FT_FREETYPE_H

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include <tessera/core/error.hpp>

namespace tessera::examples {
namespace {

using Colour = std::array<float, 3>;
constexpr Colour ink{0.20f, 0.20f, 0.22f}, rule{0.90f, 0.90f, 0.91f};
constexpr Colour palette[] = {
    {0.12f, 0.38f, 0.72f}, {0.83f, 0.33f, 0.10f}, {0.18f, 0.55f, 0.25f}, {0.52f, 0.28f, 0.63f}};

struct Point {
  double x, y;
};

/// A picture in floats, and a mask through which a shape is laid on it at once, so that overlapping strokes do not
/// darken.
class Canvas {
 public:
  Canvas(int width, int height) : width_(width), height_(height), pixels_(3 * area(), 1.0f), mask_(area(), 0.0f) {}

  /// Adds a stroke to the mask: coverage falls off over one pixel at its edges.
  void stroke(Point a, Point b, double thickness, Point low, Point high) {
    const double reach = thickness / 2 + 1;
    const int x0 = clamped(std::max(std::min(a.x, b.x) - reach, low.x), width_),
              x1 = clamped(std::min(std::max(a.x, b.x) + reach, high.x), width_);
    const int y0 = clamped(std::max(std::min(a.y, b.y) - reach, low.y), height_),
              y1 = clamped(std::min(std::max(a.y, b.y) + reach, high.y), height_);
    const double dx = b.x - a.x, dy = b.y - a.y, squared = dx * dx + dy * dy;
    for (int y = y0; y < y1; ++y) {
      for (int x = x0; x < x1; ++x) {
        const double px = x + 0.5 - a.x, py = y + 0.5 - a.y;
        const double t = squared > 0 ? std::clamp((px * dx + py * dy) / squared, 0.0, 1.0) : 0;
        const double distance = std::hypot(px - t * dx, py - t * dy);
        float& m = mask_[index(x, y)];
        m = std::max(m, static_cast<float>(std::clamp(thickness / 2 + 0.5 - distance, 0.0, 1.0)));
      }
    }
  }
  void cover(int x, int y, float coverage) {
    if (x >= 0 && x < width_ && y >= 0 && y < height_) mask_[index(x, y)] = std::max(mask_[index(x, y)], coverage);
  }
  /// Lays the colour on through the mask and empties it.
  void lay(const Colour& colour, float alpha) {
    for (std::size_t i = 0; i < mask_.size(); ++i) {
      if (mask_[i] == 0) continue;
      const float a = alpha * mask_[i];
      for (std::size_t c = 0; c < 3; ++c) pixels_[3 * i + c] += a * (colour[c] - pixels_[3 * i + c]);
      mask_[i] = 0;
    }
  }
  Tensor<std::uint8_t> picture() const {
    Tensor<std::uint8_t> out(Shape{height_, width_, 3});
    std::uint8_t* to = out.data();
    for (std::size_t i = 0; i < pixels_.size(); ++i) to[i] = static_cast<std::uint8_t>(std::lround(255 * pixels_[i]));
    return out;
  }

 private:
  std::size_t area() const { return static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_); }
  std::size_t index(int x, int y) const {
    return static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(x);
  }
  static int clamped(double v, int most) {
    return static_cast<int>(std::clamp(std::ceil(v - 0.5), 0.0, static_cast<double>(most)));
  }

  int width_, height_;
  std::vector<float> pixels_, mask_;
};

/// A font, or none; then nothing is written.
class Letters {
 public:
  explicit Letters(int size) {
    FT_Library library = nullptr;
    if (FT_Init_FreeType(&library) != 0) return;
    library_.reset(library);
    for (const char* file :
         {"/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc"}) {
      FT_Face face = nullptr;
      if (FT_New_Face(library, file, 0, &face) != 0) continue;
      face_.reset(face);
      FT_Set_Pixel_Sizes(face, 0, static_cast<FT_UInt>(size));
      return;
    }
  }
  int width(const std::string& text) const {
    int sum = 0;
    for (const char c : text) {
      if (load(c)) sum += static_cast<int>(face_->glyph->advance.x >> 6);
    }
    return sum;
  }
  /// ASCII text whose baseline starts at (x, y); `anchor` 0: to the right of x, 0.5: around it, 1: to the left.
  void write(Canvas& canvas, const std::string& text, double x, double y, double anchor,
             const Colour& colour = ink) const {
    int left = static_cast<int>(std::lround(x - anchor * width(text)));
    const int base = static_cast<int>(std::lround(y));
    for (const char c : text) {
      if (!load(c) || FT_Render_Glyph(face_->glyph, FT_RENDER_MODE_NORMAL) != 0) continue;
      const FT_Bitmap& b = face_->glyph->bitmap;
      for (int row = 0; row < static_cast<int>(b.rows); ++row) {
        for (int column = 0; column < static_cast<int>(b.width); ++column)
          canvas.cover(left + face_->glyph->bitmap_left + column, base - face_->glyph->bitmap_top + row,
                       static_cast<float>(b.buffer[row * b.pitch + column]) / 255);
      }
      left += static_cast<int>(face_->glyph->advance.x >> 6);
    }
    canvas.lay(colour, 1);
  }

 private:
  struct Free {
    void operator()(FT_Library p) const { FT_Done_FreeType(p); }
    void operator()(FT_Face p) const { FT_Done_Face(p); }
  };
  bool load(char c) const {
    return face_ && FT_Load_Char(face_.get(), static_cast<unsigned char>(c), FT_LOAD_DEFAULT) == 0;
  }
  std::unique_ptr<FT_LibraryRec_, Free> library_;
  std::unique_ptr<FT_FaceRec_, Free> face_;  // goes before the library
};

/// 1200 as 1.2k, 3000000 as 3M, 0.00005 as 5e-05.
std::string number(double v) {
  char text[32];
  const double a = std::fabs(v);
  const char* unit = a >= 1e9 ? "G" : a >= 1e6 ? "M" : a >= 1e3 ? "k" : "";
  const double scale = a >= 1e9 ? 1e9 : a >= 1e6 ? 1e6 : a >= 1e3 ? 1e3 : 1;
  std::snprintf(text, sizeof text, "%.6g%s", v / scale, unit);
  return text;
}

/// The moving average that starts at the first value: sums of weights are carried, so no gap and no start pulls it to
/// 0.
std::vector<double> smoothed(const std::vector<double>& y, double keep) {
  std::vector<double> out(y.size(), NAN);
  double sum = 0, weight = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (std::isfinite(y[i])) {
      sum = keep * sum + (1 - keep) * y[i];
      weight = keep * weight + (1 - keep);
    }
    if (std::isfinite(y[i])) out[i] = sum / weight;
  }
  return out;
}

/// One axis: a value to a pixel.
struct Axis {
  double low, high;    // values, or their logarithms
  double from, until;  // pixels
  bool log;
  double operator()(double v) const { return from + (until - from) * ((log ? std::log10(v) : v) - low) / (high - low); }
};

Axis axis(double low, double high, double from, double until, bool log) {
  if (log) low = std::log10(low), high = std::log10(high);
  const double size = std::max(std::fabs(low), std::fabs(high));
  // What differs by rounding only is a constant.
  const double margin = high - low > 1e-9 * size ? 0.03 * (high - low) : std::max(1e-12, 0.5 * size);
  return {low - margin, high + margin, from, until, log};
}

/// What y values to show: all of the averages, and what was measured but for its wildest hundredth.
std::array<double, 2> range(std::vector<double> measured, const std::vector<double>& averages) {
  double low = INFINITY, high = -INFINITY;
  const auto widen = [&](double v) { low = std::min(low, v), high = std::max(high, v); };
  for (const double v : averages) widen(v);
  if (!measured.empty()) {
    std::sort(measured.begin(), measured.end());
    widen(measured[measured.size() / 200]);
    widen(measured[measured.size() - 1 - measured.size() / 200]);
  }
  if (low > high) return {1, 2};
  return {low, high};
}

}  // namespace

std::vector<double> ticks(double low, double high, int most, bool log) {
  std::vector<double> out;
  most = std::max(most, 2);
  if (!(high > low) || !std::isfinite(high - low)) return out;
  if (log) {
    const double decades = std::log10(high / low);
    for (double exponent = std::floor(std::log10(low)); exponent <= std::log10(high); ++exponent) {
      for (const double m : {1.0, 2.0, 5.0}) {
        const double v = m * std::pow(10.0, exponent);
        const bool every = 3 * decades <= most || m == 1;
        const bool decade = decades <= most || std::fmod(exponent, std::ceil(decades / most)) == 0;
        if (v >= low && v <= high && every && decade) out.push_back(v);
      }
    }
    if (out.size() >= 2) return out;
    out.clear();  // less than a decade: as on a plain axis
  }
  const double rough = (high - low) / most, power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double m : {5.0, 2.0, 1.0}) {
    const double count = std::floor(high / (m * power)) - std::ceil(low / (m * power)) + 1;
    if (count <= most) step = m * power;
  }
  const double start = std::ceil(low / step);
  for (int k = 0; k <= most + 1; ++k) {
    const double v = (start + k) * step + 0.0;  // -0 + 0 is 0
    if (v <= high) out.push_back(v);
  }
  return out;
}

Tensor<std::uint8_t> plot(std::span<const PlotLine> lines, const PlotOptions& o) {
  if (o.width < 160 || o.height < 120 || o.width > 16384 || o.height > 16384)
    throw argument_error("plot: " + std::to_string(o.width) + " x " + std::to_string(o.height) +
                         " pixels, wanted 160 x 120 to 16384 x 16384");
  if (!(o.smoothing >= 0 && o.smoothing < 1))
    throw argument_error("plot: smoothing " + std::to_string(o.smoothing) + " is not in [0, 1)");
  Canvas canvas(o.width, o.height);
  const Letters small(13), large(17);

  // What can be shown, and its averages.
  std::vector<std::vector<double>> measured, averages;
  std::vector<double> all, all_averages;
  double first = INFINITY, last = -INFINITY;
  for (const PlotLine& line : lines) {
    std::vector<double> y = line.y;
    for (double& v : y) {
      if (!std::isfinite(v) || (o.log_y && v <= 0))
        v = NAN;
      else
        all.push_back(v);
    }
    averages.push_back(smoothed(y, line.smooth ? o.smoothing : 0));
    for (const double v : averages.back()) {
      if (std::isfinite(v)) all_averages.push_back(v);
    }
    measured.push_back(std::move(y));
    if (!line.y.empty()) {
      const double end = line.x(line.y.size() - 1);
      first = std::min({first, line.first, end});
      last = std::max({last, line.first, end});
    }
  }
  if (first > last) first = 0, last = 1;
  const auto [low, high] = range(all, all_averages);

  // The frame.
  const Point corner{72, o.title.empty() && o.y_label.empty() ? 18.0 : 52.0}, end{o.width - 24.0, o.height - 46.0};
  const Axis across = axis(first, last, corner.x, end.x, false), up = axis(low, high, end.y, corner.y, o.log_y);
  const double bottom = o.log_y ? std::pow(10.0, up.low) : up.low, top = o.log_y ? std::pow(10.0, up.high) : up.high;
  const auto xs = ticks(across.low, across.high, std::max(3, (o.width - 96) / 90), false),
             ys = ticks(bottom, top, std::max(3, (o.height - 98) / 45), o.log_y);
  const Point none{0, 0}, whole{static_cast<double>(o.width), static_cast<double>(o.height)};
  const auto on_pixel = [](double v) { return std::floor(v) + 0.5; };  // a one-pixel rule stays sharp
  for (const double v : xs)
    canvas.stroke({on_pixel(across(v)), corner.y}, {on_pixel(across(v)), end.y}, 1, none, whole);
  for (const double v : ys) canvas.stroke({corner.x, on_pixel(up(v))}, {end.x, on_pixel(up(v))}, 1, none, whole);
  canvas.lay(rule, 1);

  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Colour& colour = palette[i % std::size(palette)];
    const auto at = [&, l = &lines[i]](std::size_t k, double v) { return Point{across(l->x(k)), up(v)}; };
    const auto draw = [&](const std::vector<double>& y, double thickness) {
      // Many points fall on one column of pixels: its lowest and highest are joined, and the last leads to the next column.
      std::size_t k = 0;
      bool joined = false;
      Point before{};
      while (k < y.size()) {
        if (!std::isfinite(y[k])) {
          joined = false;
          ++k;
          continue;
        }
        const Point p = at(k, y[k]);
        double least = p.y, most = p.y;
        Point q = p;
        for (++k; k < y.size() && std::isfinite(y[k]); ++k) {
          const Point r = at(k, y[k]);
          if (std::floor(r.x) != std::floor(p.x)) break;
          least = std::min(least, r.y), most = std::max(most, r.y);
          q = r;
        }
        if (joined) canvas.stroke(before, p, thickness, corner, end);
        canvas.stroke({p.x, least}, {p.x, most}, thickness, corner, end);
        before = q;
        joined = true;
      }
    };
    if (lines[i].smooth && o.smoothing > 0) {
      draw(measured[i], 1);
      canvas.lay(colour, 0.25f);
    }
    draw(averages[i], 2);
    canvas.lay(colour, 1);
  }

  canvas.stroke({corner.x - 0.5, corner.y}, {corner.x - 0.5, end.y + 0.5}, 1, none, whole);
  canvas.stroke({corner.x - 0.5, end.y + 0.5}, {end.x, end.y + 0.5}, 1, none, whole);
  for (const double v : xs)
    canvas.stroke({on_pixel(across(v)), end.y}, {on_pixel(across(v)), end.y + 5}, 1, none, whole);
  for (const double v : ys) canvas.stroke({corner.x - 5, on_pixel(up(v))}, {corner.x, on_pixel(up(v))}, 1, none, whole);
  canvas.lay(ink, 1);
  for (const double v : xs) small.write(canvas, number(v), across(v), end.y + 20, 0.5);
  for (const double v : ys) small.write(canvas, number(v), corner.x - 9, up(v) + 5, 1);
  small.write(canvas, o.x_label, (corner.x + end.x) / 2, end.y + 38, 0.5);
  small.write(canvas, o.y_label, corner.x - 40, corner.y - 12, 0);
  large.write(canvas, o.title, o.width / 2.0, 26, 0.5);
  double line_y = corner.y + 18;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].label.empty()) continue;
    const Colour& colour = palette[i % std::size(palette)];
    const double right = end.x - 12, left = right - small.width(lines[i].label);
    canvas.stroke({left - 30, line_y - 4.5}, {left - 8, line_y - 4.5}, 2, none, whole);
    canvas.lay(colour, 1);
    small.write(canvas, lines[i].label, right, line_y, 1);
    line_y += 20;
  }
  return canvas.picture();
}

Tensor<std::uint8_t> plot_losses(const Tensor<float>& losses, const PlotOptions& options) {
  PlotLine line;
  line.y.assign(losses.data(), losses.data() + losses.size());
  return plot(std::span<const PlotLine>(&line, 1), options);
}

}  // namespace tessera::examples
