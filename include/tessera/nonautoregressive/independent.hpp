// Independent units: a network gives the distribution of every pixel or token at once, and each is drawn by itself.
//
//   p(x | y) = prod_i p(x_i | y)        loss = mean -log p(x | y), the sum of n cross-entropies
//
// One pass, and all that one unit's value says of another's is lost: the best such model has every unit's share right
// and a likelihood short of the truth by the total correlation sum_i H(x_i | y) - H(x | y) (Watanabe, 1960). Where y has
// one right answer that is 0, and the model is as good as any; where it has many, units of different answers stand side
// by side (the multi-modality problem: Gu et al., 2017, arXiv 1711.02281). generate/metrics/combinations.hpp measures it.
//
//   Independent<float> net({.item = {28, 28, 1}, .values = 256}, ClassReader<float>({.classes = 10}, rng), rng);
//   auto loss = independent_loss(net, tape.ids(labels), levels);           // levels [B, 28, 28, 1]
//   auto boot = generate(net, Tensor<std::int32_t>::from({1}, {9}), Noise{42});
#pragma once

#include <tessera/autodiff/op/relu.hpp>
#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/generate/conditioned.hpp>

namespace tessera::inline TESSERA_ISA {

struct IndependentConfig {
  Shape item = {28, 28, 1};          // the units of an object
  Index values = 256;                // of a unit
  Index context = 16;                // width of what the reader says of the condition
  std::vector<Index> hidden = {16};  // relu layers from there on; empty: none
  double temperature = 1;            // of the draw: below 1 likelier values and less varied objects

  /// Throws argument_error for a config that cannot work.
  void check() const {
    bool good = item.size() > 0 && values >= 2 && context >= 1;
    for (const Index h : hidden) good = good && h >= 1;
    if (!good || values > (Index{1} << 24) || item.size() > (Index{1} << 31) / values)
      throw argument_error("Independent: item " + item.to_string() + " of " + std::to_string(values) +
                           " values, context " + std::to_string(context) +
                           "; wanted units of at least 2 values, widths of at least 1, and less than 2^31 logits");
    if (!(temperature > 0))
      throw argument_error("Independent: temperature " + std::to_string(temperature) +
                           " is not above 0; for the likeliest values take a small one");
  }
};

/// `Reader` makes [B, context] of a condition of ids: ClassReader, TextReader, or any module like them.
template <class T, class Reader = ClassReader<T>>
struct Independent {
  using Config = IndependentConfig;
  using Scalar = T;
  using Units = Tensor<std::int32_t>;
  using Condition = Tensor<std::int32_t>;  // labels [B], tokens [B, T]: what the reader takes

  Config config;
  Reader reader;
  std::vector<Linear<T>> layers;
  Linear<T> last;  // -> item x values

  Independent(const Config& c, Reader r, Rng& rng)
      : config(c),
        reader(std::move(r)),
        last({.in = (c.check(), c.hidden.empty() ? c.context : c.hidden.back()), .out = c.item.size() * c.values},
             rng) {
    Index in = c.context;
    for (const Index h : c.hidden) {
      layers.emplace_back(typename Linear<T>::Config{.in = in, .out = h}, rng);
      in = h;
    }
  }

  /// Conditions of B objects, plain or `tape.ids(conditions)` -> logits [B, item, values].
  auto operator()(const Ids auto& conditions) const {
    auto h = reader(conditions);  // [B, context]
    if (h.rank() != 2 || h.extent(1) != config.context)
      throw shape_error("Independent: the reader says " + h.shape().to_string() + ", wanted [B, " +
                        std::to_string(config.context) + "]: set `context` to its width");
    for (const Linear<T>& layer : layers) h = relu(layer(h));
    return reshape(last(h), batch_shape(h.extent(0)).append(config.values));
  }

  /// [B], in nats: units [B, item] of B conditions.
  Tensor<T> log_prob(const Condition& conditions, const Units& units) const {
    const Tensor<T> log_p = log_softmax((*this)(conditions));
    check_units(units, log_p.extent(0));
    const Index b = log_p.extent(0), n = config.item.size(), v = config.values;
    Tensor<T> sums(Shape{b});
    T* to = sums.data();
    for (Index i = 0; i < b; ++i) {
      double nats = 0;
      for (Index k = 0; k < n; ++k) nats += static_cast<double>(log_p[(i * n + k) * v + units[i * n + k]]);
      to[i] = static_cast<T>(nats);
    }
    return sums;
  }

  /// Everything in one step. It refers to its model, which must outlive it.
  class Run {
   public:
    Run(const Independent& model, Condition conditions, std::vector<Noise> noises, bool single)
        : model_(&model), conditions_(std::move(conditions)), noises_(std::move(noises)), single_(single) {}
    bool step() {
      if (done()) return false;
      units_ = model_->draw((*model_)(conditions_), noises_);
      if (single_) units_ = units_.reshaped(model_->config.item);
      return true;
    }
    bool done() const { return static_cast<bool>(units_); }
    Index at() const { return done() ? 1 : 0; }
    Index total() const { return 1; }
    /// Before the step there is nothing to see yet: an empty tensor.
    Units preview() const { return units_; }
    Units finish() {
      step();
      return units_;
    }

   private:
    const Independent* model_;
    Condition conditions_;
    std::vector<Noise> noises_;
    bool single_;
    Units units_;
  };

  /// One object a noise, condition i for object i: [B, item].
  Run begin(const Condition& conditions, std::span<const Noise> noises) const {
    if (conditions.rank() < 1 || conditions.extent(0) != static_cast<Index>(noises.size()))
      throw shape_error("Independent: conditions " + conditions.shape().to_string() + " for " +
                        std::to_string(noises.size()) + " noises; one each wanted");
    return Run(*this, conditions, std::vector<Noise>(noises.begin(), noises.end()), false);
  }
  /// One object of a condition [1, ...]: the item without a batch axis.
  Run begin(const Condition& condition, const Noise& noise) const {
    if (condition.rank() < 1 || condition.extent(0) != 1)
      throw shape_error("Independent: one condition [1, ...] wanted, shape is " + condition.shape().to_string());
    return Run(*this, condition, {noise}, true);
  }

  static void members(auto& self, auto&& see) {
    see("reader", self.reader);
    see("layers", self.layers);
    see("last", self.last);
  }

 private:
  Shape batch_shape(Index b) const {
    Index e[Shape::max_rank] = {b};
    for (int i = 0; i < config.item.rank(); ++i) e[i + 1] = config.item[i];
    return Shape(e, config.item.rank() + 1);
  }
  void check_units(const Units& units, Index b) const {
    if (units.shape() != batch_shape(b))
      throw shape_error("Independent: units " + units.shape().to_string() + " seen, " + batch_shape(b).to_string() +
                        " wanted");
    for (Index i = 0; i < units.size(); ++i) {
      if (units[i] < 0 || units[i] >= config.values)
        throw argument_error("Independent: unit " + std::to_string(units[i]) + " is not in [0, " +
                             std::to_string(config.values) + ")");
    }
  }
  /// Unit k of item i is draw k of noises[i].
  Units draw(const Tensor<T>& logits, const std::vector<Noise>& noises) const {
    const Index n = config.item.size(), v = config.values;
    Units units(batch_shape(static_cast<Index>(noises.size())));
    std::int32_t* to = units.data();
    std::vector<float> row(static_cast<std::size_t>(v));
    const T* from = logits.data();
    const T sharper = static_cast<T>(1 / config.temperature);
    for (const Noise& own : noises) {
      for (Index k = 0; k < n; ++k, from += v) {
        for (Index j = 0; j < v; ++j) row[static_cast<std::size_t>(j)] = static_cast<float>(from[j] * sharper);
        *to++ = static_cast<std::int32_t>(own.categorical_logits(row, static_cast<std::uint64_t>(k)));
      }
    }
    return units;
  }
};
/// The mean of -log p(x | y) in nats; units [B, item].
template <class M>
auto independent_loss(const M& model, const Ids auto& conditions, const Tensor<std::int32_t>& units) {
  using T = typename M::Scalar;
  return cross_entropy(model(conditions), units) * static_cast<T>(model.config.item.size());
}

}  // namespace tessera::inline TESSERA_ISA
