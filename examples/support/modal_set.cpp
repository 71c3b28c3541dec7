#include "examples/support/modal_set.hpp"

#include <algorithm>
#include <cmath>

#include <tessera/generate/metrics/modes.hpp>

#include "examples/support/planar.hpp"

namespace tessera::examples {

namespace {

constexpr Index side = 8, levels = 128, coarse = 4;  // runner; levels of a coordinate, and how many make a cell
constexpr double near = 4;                           // deviations: of true points one in 3,000 lies further out

// Running to the right; the same mirrored runs to the left.
constexpr std::array<std::array<const char*, side>, 2> strides = {{
    {"....##..",  //
     "....##..",  //
     "...##...",  //
     ".#.###..",  //
     "..###.#.",  //
     "...##...",  //
     ".##..#..",  //
     "#....##."},
    {"....##..",  //
     "....##..",  //
     "...##...",  //
     "..####..",  //
     "...###..",  //
     "...##...",  //
     "..##....",  //
     "....#..."},
}};
constexpr Index sentences = 2, runners = 4;

Planar planar_of(Modal set) { return set == Modal::ring ? Planar::ring : Planar::grid; }
bool is_planar(Modal set) { return set == Modal::ring || set == Modal::grid; }
/// Coordinates of the plane to points of about -1 to 1.
float reach_of(Modal set) { return static_cast<float>(planar_reach(planar_of(set))); }

/// All right answers of a discrete set, [k, units].
Tensor<std::int32_t> answers(Modal set) {
  if (set == Modal::sentence) return Tensor<std::int32_t>::from({sentences, 2}, {0, 1, 2, 3});
  Tensor<std::int32_t> all(Shape{runners, side * side});
  std::int32_t* to = all.data();
  for (const auto& stride : strides) {
    for (const bool left : {false, true}) {
      for (const char* row : stride) {
        for (Index x = 0; x < side; ++x) *to++ = row[left ? side - 1 - x : x] == '#';
      }
    }
  }
  return all;
}

/// The level of the square [-1, 1] that a coordinate falls into.
std::int32_t level_of(float v) {
  const auto l = static_cast<Index>(std::floor((static_cast<double>(v) + 1) / 2 * levels));
  return static_cast<std::int32_t>(std::clamp<Index>(std::isfinite(v) ? l : 0, 0, levels - 1));
}

struct Canvas {
  Tensor<std::uint8_t> picture{Shape{modal_panel_side, modal_panel_side, 3}, std::uint8_t{255}};
  std::uint8_t* to = picture.data();

  void fill(Index y0, Index x0, Index size, double dark) {
    for (Index y = y0; y < y0 + size; ++y) {
      for (Index x = x0; x < x0 + size; ++x) {
        for (Index c = 0; c < 3; ++c)  // blue remains longest
          to[(y * modal_panel_side + x) * 3 + c] = static_cast<std::uint8_t>(255 * (1 - dark * (c == 2 ? 0.55 : 1)));
      }
    }
  }
  void dot(double x, double y) {
    const auto at = [](double v) { return static_cast<Index>(std::floor((v + 1) / 2 * modal_panel_side)); };
    const Index column = at(x), row = modal_panel_side - 1 - at(y);
    if (column < 0 || column >= modal_panel_side || row < 0 || row >= modal_panel_side) return;
    for (Index c = 0; c < 3; ++c) {
      std::uint8_t& level = to[(row * modal_panel_side + column) * 3 + c];
      level = static_cast<std::uint8_t>(level > 90 ? level - (c == 2 ? 30 : 90) : 0);
    }
  }
};

}  // namespace

const char* name_of(Modal set) {
  constexpr std::array<const char*, 4> names = {"sentence", "runner", "ring", "grid"};
  return names[static_cast<std::size_t>(set)];
}

Modal modal_named(const std::string& name) {
  std::string all;
  for (const Modal set : modal_sets) {
    if (name == name_of(set)) return set;
    all += std::string(all.empty() ? "" : ", ") + name_of(set);
  }
  throw argument_error("no set of known modes is named \"" + name + "\"; there are " + all);
}

ModalForm form_of(Modal set) {
  if (set == Modal::sentence) return {.units = 2, .values = 4, .numbers = 8};
  if (set == Modal::runner) return {.units = side * side, .values = 2, .numbers = side * side};
  return {.units = 2, .values = levels, .numbers = 2};
}

bool is_discrete(Modal set) { return !is_planar(set); }

Tensor<float> modal_points(Modal set, Index count, const Noise& noise) {
  if (is_planar(set)) return planar_points(planar_of(set), count, noise) * (1 / reach_of(set));
  const Tensor<std::int32_t> all = answers(set);
  const Index units = all.extent(1);
  Tensor<std::int32_t> chosen(Shape{count, units});
  std::int32_t* to = chosen.data();
  for (Index i = 0; i < count; ++i) {
    const std::int32_t* from = all.data() + noise.below(all.extent(0), static_cast<std::uint64_t>(i)) * units;
    std::copy(from, from + units, to + i * units);
  }
  return to_points(set, chosen, noise);
}

Tensor<std::int32_t> to_units(Modal set, const Tensor<float>& points) {
  const ModalForm f = form_of(set);
  Tensor<std::int32_t> units(Shape{points.extent(0), f.units});
  std::int32_t* to = units.data();
  for (Index i = 0; i < units.size(); ++i) {
    if (set == Modal::sentence) {
      const float* one = points.data() + i * f.values;
      to[i] = static_cast<std::int32_t>(std::max_element(one, one + f.values) - one);
    } else {
      to[i] = set == Modal::runner ? static_cast<std::int32_t>(points[i] > 0) : level_of(points[i]);
    }
  }
  return units;
}

Tensor<float> to_points(Modal set, const Tensor<std::int32_t>& units, const Noise& noise) {
  const ModalForm f = form_of(set);
  Tensor<float> points(Shape{units.extent(0), f.numbers}, -1.f);
  float* to = points.data();
  for (Index i = 0; i < units.size(); ++i) {
    if (set == Modal::sentence)
      to[i * f.values + units[i]] = 1;
    else if (set == Modal::runner)
      to[i] = units[i] == 1 ? 1.f : -1.f;
    else
      to[i] = static_cast<float>((units[i] + noise.unit(static_cast<std::uint64_t>(i))) / levels * 2 - 1);
  }
  return points;
}

ModalScore score_modal(Modal set, const Tensor<float>& made, const Noise& noise) {
  const Index n = made.extent(0);
  const Tensor<float> fresh = modal_points(set, n, noise);
  Tensor<std::int32_t> units = to_units(set, made), data = to_units(set, fresh);
  ModalScore score;
  // A mode counts when it gets at least a fifth of its fair share.
  if (!is_planar(set)) {
    const Tensor<std::int32_t> all = answers(set);
    score.modes = count_combinations(units, all, std::max<Index>(1, n / all.extent(0) / 5));
    score.nats = sample_nats(units, data, form_of(set).values);
    return score;
  }
  const Planar planar = planar_of(set);
  const Tensor<float> centres = planar_centres(planar) * (1 / reach_of(set));
  const ModeCount count =
      count_modes(made, centres, near * planar_deviation(planar) / static_cast<double>(reach_of(set)),
                  std::max<Index>(1, n / centres.extent(0) / 5));
  score.modes = {.impossible = 1 - count.near, .covered = count.covered, .modes = count.modes, .hits = count.hits};
  for (Tensor<std::int32_t>* u : {&units, &data}) {
    std::int32_t* to = u->data();
    for (Index i = 0; i < u->size(); ++i) to[i] /= static_cast<std::int32_t>(coarse);
  }
  score.nats = sample_nats(units, data, levels / coarse);
  return score;
}

Tensor<std::uint8_t> modal_panel(Modal set, const Tensor<float>& points) {
  Canvas canvas;
  const Tensor<std::int32_t> units = to_units(set, points);
  const Index n = points.extent(0);
  if (set == Modal::sentence) {  // a row for each first word, a column for each second
    constexpr Index cells = 4, cell = modal_panel_side / cells;
    std::array<double, cells * cells> share{};
    for (Index i = 0; i < n; ++i)
      share[static_cast<std::size_t>(units[2 * i] * cells + units[2 * i + 1])] += 1 / static_cast<double>(n);
    for (Index k = 0; k < cells * cells; ++k)
      canvas.fill(k / cells * cell + 1, k % cells * cell + 1, cell - 2,
                  0.06 + 0.94 * std::min(1.0, 2 * share[static_cast<std::size_t>(k)]));
  } else if (set == Modal::runner) {
    constexpr Index across = 4, dot = 4, frame = modal_panel_side / across;
    for (Index i = 0; i < std::min(n, across * across); ++i) {
      for (Index p = 0; p < side * side; ++p) {
        const double dark = std::clamp(0.5 + 0.5 * static_cast<double>(points[i * side * side + p]), 0.0, 1.0);
        canvas.fill(i / across * frame + 4 + p / side * dot, i % across * frame + 4 + p % side * dot, dot,
                    std::isfinite(dark) ? dark : 0);
      }
    }
  } else {
    for (Index i = 0; i < n; ++i)
      canvas.dot(static_cast<double>(points[2 * i]), static_cast<double>(points[2 * i + 1]));
  }
  return canvas.picture;
}

}  // namespace tessera::examples
