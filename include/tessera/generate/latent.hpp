// The latent contract: what a model that makes things from one random vector offers, and all that can be done with the
// vectors, written once.
//
//   encode(x, context) -> z       decode(z, context) -> x       prior(noises) -> z, row i from noises[i]
//
// | model     | encode                            | decode                         |
// | VAE       | a network's mean                  | a network                      |
// | flow      | an invertible network             | its exact inverse              |
// | diffusion | the sampler run backwards         | the sampler                    |
// | GAN       | none                              | a network                      |
//
// Latents are [B, ...]; an item's numbers count as one vector, whatever their shape. `context` [B, E] is empty where
// the model takes none.
#pragma once

#include <cmath>
#include <span>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/generate/run.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

template <class M, class T = float>
concept Decodes = requires(const M& m, const Tensor<T>& t) {
  { m.decode(t, t) } -> std::same_as<Tensor<T>>;
};
template <class M, class T = float>
concept Encodes = requires(const M& m, const Tensor<T>& t) {
  { m.encode(t, t) } -> std::same_as<Tensor<T>>;
};
template <class M, class T = float>
concept HasPrior = requires(const M& m, std::span<const Noise> noises) {
  { m.prior(noises) } -> std::same_as<Tensor<T>>;
};
/// encode, decode and prior.
template <class M, class T = float>
concept LatentModel = Encodes<M, T> && Decodes<M, T> && HasPrior<M, T>;

/// One noise for each item of a batch: item i draws from noise.fork(i).
inline std::vector<Noise> forks(const Noise& noise, Index count) {
  std::vector<Noise> noises;
  for (Index i = 0; i < count; ++i) noises.push_back(noise.fork(static_cast<std::uint64_t>(i)));
  return noises;
}

/// The condition of a model that has none.
struct Nothing {};

/// Generation in one step: a latent is drawn, then decoded. It refers to its model, which must outlive it.
template <class M, class T = float>
class OneShotRun {
 public:
  /// z [B, ...]; `single`: the object comes without the batch axis.
  OneShotRun(const M& model, Tensor<T> z, Tensor<T> context = {}, bool single = false)
      : model_(&model), z_(std::move(z)), context_(std::move(context)), single_(single) {}

  bool step() {
    if (done()) return false;
    object_ = made();
    return true;
  }
  bool done() const { return static_cast<bool>(object_); }
  Index at() const { return done() ? 1 : 0; }
  Index total() const { return 1; }
  Tensor<T> preview() const { return done() ? object_ : made(); }
  Tensor<T> finish() {
    step();
    return object_;
  }
  const Tensor<T>& latent() const { return z_; }

 private:
  Tensor<T> made() const {
    Tensor<T> x = model_->decode(z_, context_);
    return single_ ? x.reshaped(x.shape().without(0)) : x;
  }
  const M* model_;
  Tensor<T> z_, context_, object_;
  bool single_;
};

namespace detail {
/// Row i is drawn from noises[i].
template <class T>
Tensor<T> normal_rows(std::span<const Noise> noises, const Shape& item) {
  Index extents[Shape::max_rank] = {static_cast<Index>(noises.size())};
  for (int i = 0; i < item.rank(); ++i) extents[i + 1] = item[i];
  Tensor<T> z(Shape(extents, item.rank() + 1));
  const Index each = item.size();
  T* to = z.data();
  for (const Noise& n : noises) {
    n.normal(std::span<T>(to, static_cast<std::size_t>(each)));
    to += each;
  }
  return z;
}
/// z [B, ...] as [B, D]; B may be 1 for "the same for all".
template <class T>
Tensor<T> as_vectors(const char* op, const Tensor<T>& z) {
  if (z.rank() < 2) throw shape_error(std::string(op) + ": latents [B, ...] wanted, shape is " + z.shape().to_string());
  const Index b = z.extent(0);
  return z.reshaped({b, b == 0 ? 0 : z.size() / b});
}
template <class T>
void check_same_latents(const char* op, const Tensor<T>& a, const Tensor<T>& b) {
  if (a.shape() != b.shape())
    throw shape_error(std::string(op) + ": latents differ in shape: " + a.shape().to_string() + " and " +
                      b.shape().to_string());
}
template <class T>
double dot_of(Index n, const T* a, const T* b) {
  double sum = 0;
  for (Index i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}
/// Row r of the result is p[r] a[r] + q[r] b[r].
template <class T, class Weights>
Tensor<T> blend(const char* op, const Tensor<T>& a, const Tensor<T>& b, const Weights& weights) {
  check_same_latents(op, a, b);
  const Tensor<T> u = as_vectors(op, a), v = as_vectors(op, b);
  const Index rows = u.extent(0), n = u.extent(1);
  Tensor<T> y(a.shape());
  T* to = y.data();
  for (Index r = 0; r < rows; ++r) {
    const T *x = u.data() + r * n, *z = v.data() + r * n;
    const auto [p, q] = weights(n, x, z);
    for (Index i = 0; i < n; ++i)
      to[r * n + i] = static_cast<T>(p * static_cast<double>(x[i]) + q * static_cast<double>(z[i]));
  }
  return y;
}
struct BlendWeights {
  double a, b;
};
}  // namespace detail

// ---- between two latents

enum class Interpolation { linear, spherical };

/// (1 - t) a + t b. Halfway between two normal draws it is shorter than either: see spherical.
template <class T>
Tensor<T> lerp(const Tensor<T>& a, const Tensor<T>& b, double t) {
  return detail::blend("lerp", a, b, [t](Index, const T*, const T*) { return detail::BlendWeights{1 - t, t}; });
}
/// Along the arc between them (Shoemake, 1985; for latents White, 2016, arXiv 1609.04468): lengths change evenly from
/// one's to the other's, so that normal draws stay where the prior has its mass. Vectors in one line are interpolated
/// linearly.
template <class T>
Tensor<T> slerp(const Tensor<T>& a, const Tensor<T>& b, double t) {
  return detail::blend("slerp", a, b, [t](Index n, const T* x, const T* y) {
    const double lx = std::sqrt(detail::dot_of(n, x, x)), ly = std::sqrt(detail::dot_of(n, y, y));
    const double cosine = lx > 0 && ly > 0 ? detail::dot_of(n, x, y) / (lx * ly) : 1;
    if (!(std::abs(cosine) < 1 - 1e-9)) return detail::BlendWeights{1 - t, t};
    const double angle = std::acos(cosine), length = (1 - t) * lx + t * ly;
    return detail::BlendWeights{length / lx * std::sin((1 - t) * angle) / std::sin(angle),
                                length / ly * std::sin(t * angle) / std::sin(angle)};
  });
}
template <class T>
Tensor<T> interpolate(const Tensor<T>& a, const Tensor<T>& b, double t, Interpolation way) {
  return way == Interpolation::linear ? lerp(a, b, t) : slerp(a, b, t);
}
/// `count` latents from a to b, both included: a, b [1, ...] -> [count, ...]. Throws argument_error when count < 2.
template <class T>
Tensor<T> latent_path(const Tensor<T>& a, const Tensor<T>& b, Index count, Interpolation way) {
  if (count < 2)
    throw argument_error("latent_path: " + std::to_string(count) +
                         " latents cannot include both ends; wanted 2 or more");
  std::vector<Tensor<T>> parts;
  for (Index i = 0; i < count; ++i)
    parts.push_back(interpolate(a, b, static_cast<double>(i) / static_cast<double>(count - 1), way));
  return concat(std::span<const Tensor<T>>(parts), 0);
}
/// rows x columns latents that fill the square between four corners [1, ...] each, row by row.
template <class T>
Tensor<T> latent_grid(const Tensor<T>& top_left, const Tensor<T>& top_right, const Tensor<T>& bottom_left,
                      const Tensor<T>& bottom_right, Index rows, Index columns, Interpolation way) {
  const Tensor<T> left = latent_path(top_left, bottom_left, rows, way),
                  right = latent_path(top_right, bottom_right, rows, way);
  std::vector<Tensor<T>> parts;
  for (Index r = 0; r < rows; ++r)
    parts.push_back(latent_path(slice(left, 0, r, r + 1), slice(right, 0, r, r + 1), columns, way));
  return concat(std::span<const Tensor<T>>(parts), 0);
}

// ---- directions with a meaning

/// What the latents of one group have and those of the other have not: the difference of their means, [1, ...].
/// has[i] is not 0 where latent i has it. Throws argument_error when a group is empty.
template <class T>
Tensor<T> attribute_vector(const Tensor<T>& z, const Tensor<std::uint8_t>& has) {
  const Tensor<T> rows = detail::as_vectors("attribute_vector", z);
  const Index b = rows.extent(0), n = rows.extent(1);
  if (has.shape() != Shape{b})
    throw shape_error("attribute_vector: marks " + has.shape().to_string() + " for latents " + z.shape().to_string() +
                      "; one a latent wanted");
  std::vector<double> sums[2] = {std::vector<double>(static_cast<std::size_t>(n)),
                                 std::vector<double>(static_cast<std::size_t>(n))};
  Index counts[2] = {0, 0};
  for (Index r = 0; r < b; ++r) {
    const int group = has[r] != 0;
    ++counts[group];
    for (Index i = 0; i < n; ++i) sums[group][static_cast<std::size_t>(i)] += static_cast<double>(rows[r * n + i]);
  }
  if (counts[0] == 0 || counts[1] == 0)
    throw argument_error("attribute_vector: " + std::to_string(counts[1]) + " latents with the attribute and " +
                         std::to_string(counts[0]) + " without; both groups need at least one");
  Tensor<T> v(z.shape().with(0, 1));
  T* to = v.data();
  for (Index i = 0; i < n; ++i)
    to[i] = static_cast<T>(sums[1][static_cast<std::size_t>(i)] / static_cast<double>(counts[1]) -
                           sums[0][static_cast<std::size_t>(i)] / static_cast<double>(counts[0]));
  return v;
}
/// z + strength v for all of z [B, ...], v [1, ...]: more of it, or with a negative strength less.
template <class T>
Tensor<T> with_attribute(const Tensor<T>& z, const Tensor<T>& v, double strength = 1) {
  if (v.shape() != z.shape().with(0, 1))
    throw shape_error("with_attribute: direction " + v.shape().to_string() + " for latents " + z.shape().to_string());
  return z + v * static_cast<T>(strength);
}
/// a is to b as c is to the result: c + (b - a).
template <class T>
Tensor<T> analogy(const Tensor<T>& a, const Tensor<T>& b, const Tensor<T>& c) {
  detail::check_same_latents("analogy", a, b);
  detail::check_same_latents("analogy", b, c);
  return c + (b - a);
}

// ---- around a latent

/// `count` latents around z [1, ...], neighbour i from noise.fork(i): sqrt(1 - radius^2) z + radius e, e normal, which
/// leaves the prior as it is; radius 0 is z itself and 1 a new draw. Throws argument_error unless 0 <= radius <= 1.
template <class T>
Tensor<T> neighbours(const Tensor<T>& z, Index count, double radius, const Noise& noise) {
  if (!(radius >= 0 && radius <= 1))
    throw argument_error("neighbours: radius " + std::to_string(radius) + " is not in [0, 1]");
  if (z.rank() < 2 || z.extent(0) != 1)
    throw shape_error("neighbours: one latent [1, ...] wanted, shape is " + z.shape().to_string());
  const Tensor<T> e = detail::normal_rows<T>(forks(noise, count), z.shape().without(0));
  return e * static_cast<T>(radius) + z * static_cast<T>(std::sqrt(1 - radius * radius));
}
/// The rows of `all` [N, ...] nearest to z [1, ...], nearest first.
template <class T>
std::vector<Index> nearest(const Tensor<T>& z, const Tensor<T>& all, Index count) {
  const Tensor<T> one = detail::as_vectors("nearest", z), rows = detail::as_vectors("nearest", all);
  if (one.extent(0) != 1 || one.extent(1) != rows.extent(1))
    throw shape_error("nearest: " + z.shape().to_string() + " among " + all.shape().to_string() +
                      "; one latent of the same kind wanted");
  const Index n = one.extent(1);
  std::vector<double> distance;
  for (Index r = 0; r < rows.extent(0); ++r) {
    double d = 0;
    for (Index i = 0; i < n; ++i) {
      const double e = static_cast<double>(one[i]) - static_cast<double>(rows[r * n + i]);
      d += e * e;
    }
    distance.push_back(d);
  }
  std::vector<Index> found;
  std::vector<bool> taken(distance.size());
  for (Index k = 0; k < count && k < rows.extent(0); ++k) {
    std::size_t best = distance.size();
    for (std::size_t r = 0; r < distance.size(); ++r) {
      if (!taken[r] && (best == distance.size() || distance[r] < distance[best])) best = r;
    }
    taken[best] = true;
    found.push_back(static_cast<Index>(best));
  }
  return found;
}

/// There and back: decode(encode(x)).
template <class M, class T>
requires Encodes<M, T> && Decodes<M, T> Tensor<T> reconstruct(const M& model, const Tensor<T>& x,
                                                              const Tensor<T>& context = {}) {
  return model.decode(model.encode(x, context), context);
}

}  // namespace tessera::inline TESSERA_ISA
