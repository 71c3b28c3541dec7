#include "examples/support/planar.hpp"

#include <cmath>
#include <numbers>

namespace tessera::examples {

namespace {

constexpr double pi = std::numbers::pi;
constexpr double moon_radius = 2, moon_noise = 0.15, ring_radius = 2, rings_step = 0.75, rings_noise = 0.08;
constexpr int rings_count = 4;

double square(double x) { return x * x; }
double log_normal(double distance_squared, double deviation) {  // in the plane
  return -distance_squared / (2 * square(deviation)) - std::log(2 * pi * square(deviation));
}

struct Point {
  double x, y;
};
/// Where moon 0 or 1 is at angle t of its half circle; both together are centred.
Point moon(int which, double t) {
  const double c = std::cos(t), s = std::sin(t);
  return which == 0 ? Point{moon_radius * (c - 0.5), moon_radius * (s - 0.25)}
                    : Point{moon_radius * (0.5 - c), moon_radius * (0.25 - s)};
}
Point centre(Planar set, int k) {
  if (set == Planar::ring) return {ring_radius * std::cos(pi * k / 4), ring_radius * std::sin(pi * k / 4)};
  return {2.0 * (k % 5 - 2), 2.0 * (k / 5 - 2)};
}
int centres(Planar set) { return set == Planar::ring ? 8 : set == Planar::grid ? 25 : 0; }

/// A set's point from uniform numbers u (in [0, 1)) and v and two normal ones.
Point draw(Planar set, double u, double v, double n, double m) {
  switch (set) {
    case Planar::moons: {
      const Point c = moon(u < 0.5 ? 0 : 1, pi * v);
      return {c.x + moon_noise * n, c.y + moon_noise * m};
    }
    case Planar::pinwheel: {
      const double out = 1 + 0.3 * n, across = 0.05 * m;
      const double turn = 2 * pi * std::floor(5 * u) / 5 + 0.25 * std::exp(out), c = std::cos(turn), s = std::sin(turn);
      return {2 * (c * out - s * across), 2 * (s * out + c * across)};
    }
    case Planar::checkerboard: {
      const int square = static_cast<int>(8 * u), row = square / 2;
      const double in_row = 8 * u - square;  // what is left of u: where in the square
      return {2.0 * (square % 2) + row % 2 - 2 + in_row, row - 2 + v};
    }
    case Planar::rings: {
      const double r = rings_step * (1 + std::floor(rings_count * u)) + rings_noise * n, a = 2 * pi * v;
      return {r * std::cos(a), r * std::sin(a)};
    }
    default: {
      const Point c = centre(set, static_cast<int>(centres(set) * u));
      return {c.x + planar_deviation(set) * n, c.y + planar_deviation(set) * m};
    }
  }
}

/// Where the rings are, seen along a radius: the sum of their normals at distance r.
double rings_profile(double r) {
  double p = 0;
  for (int k = 1; k <= rings_count; ++k)
    p += std::exp(-square((r - rings_step * k) / rings_noise) / 2) / (rings_count * rings_noise * std::sqrt(2 * pi));
  return p;
}

double moons_log_density(double x, double y) {
  constexpr int parts = 400;  // midpoints: a part is a tenth of the noise long
  double p = 0;
  for (int which = 0; which < 2; ++which) {
    for (int i = 0; i < parts; ++i) {
      const Point c = moon(which, pi * (i + 0.5) / parts);
      p += std::exp(log_normal(square(x - c.x) + square(y - c.y), moon_noise));
    }
  }
  return std::log(p / (2 * parts));
}

double moons_entropy() {
  // The set is the same turned by half a turn: half of the plane is enough.
  constexpr double step = 0.04, reach = 4.5;
  double h = 0;
  for (double x = -reach + step / 2; x < reach; x += step) {
    for (double y = step / 2; y < 3; y += step) {
      const double l = moons_log_density(x, y);
      if (l > -60) h -= 2 * step * step * std::exp(l) * l;
    }
  }
  return h;
}

double rings_entropy() {
  constexpr double step = 1e-3;
  double h = 0;
  for (double r = step / 2; r < 5; r += step) {
    const double p = rings_profile(r);
    if (p > 1e-30) h -= step * p * std::log(p / (2 * pi * r));
  }
  return h;
}

}  // namespace

const char* name_of(Planar set) {
  switch (set) {
    case Planar::moons:
      return "moons";
    case Planar::pinwheel:
      return "pinwheel";
    case Planar::checkerboard:
      return "checkerboard";
    case Planar::rings:
      return "rings";
    case Planar::ring:
      return "ring";
    default:
      return "grid";
  }
}

Planar planar_named(const std::string& name) {
  std::string all;
  for (const Planar set : planar_sets) {
    if (name == name_of(set)) return set;
    all += std::string(all.empty() ? "" : ", ") + name_of(set);
  }
  throw argument_error("no planar set is named \"" + name + "\"; there are " + all);
}

Tensor<float> planar_points(Planar set, Index count, const Noise& noise) {
  const Tensor<float> normals = noise.normal<float>({count, 2});
  Tensor<float> points(Shape{count, 2});
  float* to = points.data();
  for (Index i = 0; i < count; ++i) {
    const auto at = static_cast<std::uint64_t>(2 * i);
    const Point p = draw(set, noise.unit(at), noise.unit(at + 1), static_cast<double>(normals[2 * i]),
                         static_cast<double>(normals[2 * i + 1]));
    to[2 * i] = static_cast<float>(p.x);
    to[2 * i + 1] = static_cast<float>(p.y);
  }
  return points;
}

std::optional<double> planar_log_density(Planar set, double x, double y) {
  switch (set) {
    case Planar::moons:
      return moons_log_density(x, y);
    case Planar::pinwheel:
      return std::nullopt;
    case Planar::checkerboard: {
      const double column = std::floor(x + 2), row = std::floor(y + 2);
      const bool inside = column >= 0 && column < 4 && row >= 0 && row < 4 && std::fmod(column + row, 2) == 0;
      return inside ? -std::log(8.0) : -HUGE_VAL;
    }
    case Planar::rings: {
      const double r = std::hypot(x, y);
      return std::log(rings_profile(r) / (2 * pi * r));
    }
    default: {
      double p = 0;
      for (int k = 0; k < centres(set); ++k) {
        const Point c = centre(set, k);
        p += std::exp(log_normal(square(x - c.x) + square(y - c.y), planar_deviation(set)));
      }
      return std::log(p / centres(set));
    }
  }
}

std::optional<double> planar_entropy(Planar set) {
  switch (set) {
    case Planar::moons:
      return moons_entropy();
    case Planar::pinwheel:
      return std::nullopt;
    case Planar::checkerboard:
      return std::log(8.0);
    case Planar::rings:
      return rings_entropy();
    default:  // the normals are so far apart that none is mistaken for another
      return std::log(centres(set)) + 1 + std::log(2 * pi * square(planar_deviation(set)));
  }
}

Tensor<float> planar_centres(Planar set) {
  Tensor<float> all(Shape{centres(set), 2});
  float* to = all.data();
  for (int k = 0; k < centres(set); ++k) {
    const Point c = centre(set, k);
    to[2 * k] = static_cast<float>(c.x);
    to[2 * k + 1] = static_cast<float>(c.y);
  }
  return all;
}

double planar_deviation(Planar set) {
  switch (set) {
    case Planar::moons:
      return moon_noise;
    case Planar::rings:
      return rings_noise;
    case Planar::ring:
      return 0.1;
    case Planar::grid:
      return 0.05;
    default:
      return 0;
  }
}

double planar_reach(Planar set) {
  switch (set) {
    case Planar::moons:
      return 4;
    case Planar::pinwheel:
      return 5;
    case Planar::checkerboard:
      return 2;
    case Planar::rings:
      return 3.6;
    case Planar::ring:
      return 2.6;
    default:
      return 4.4;
  }
}

}  // namespace tessera::examples
