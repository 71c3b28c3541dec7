// Generation with a Gpt's weights: one unit at a time over cached keys and values, many sequences side by side, or many units at
// once (prompts, speculation). Weights in F32, F16, 8 or 4 bits (nn/quantized_linear.hpp), the cache in F32, F16 or 8 bits.
//
//   GptDecoder model(net, {.weights = WeightFormat::q8});
//   auto state = model.begin(prompt);                       // a NextUnit: generate/next_unit.hpp
//   model.next(state, unit);  state.logits();
//
// With F32 throughout, logits have the bits of the network's own forward pass, in whatever portions the units came and whatever
// ran beside them: every kernel here computes a row by itself and in the same order.
//
// When the context is full, the cache is built anew from the last half of it, and goes on from there.
#pragma once

#include <memory>
#include <tessera/autoregressive/cached_attention.hpp>
#include <tessera/autoregressive/gpt_decoder_weights.hpp>
#include <tessera/generate/next_unit.hpp>
#include <tessera/kernel/norm.hpp>
#include <tessera/kernel/rotary.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {

/// silu(a) b, as Gpt's mlp has it.
template <class T>
void swiglu_rows(Index rows, Index width, const T* gate_up, T* to) {
  using P = kernel::Pack<T>;
  for (Index r = 0; r < rows; ++r) {
    const T* gate = gate_up + r * 2 * width;
    for (Index i = 0; i < width; i += P::width) {
      const Index lanes = width - i;
      const P g = kernel::load_lanes<T>(gate + i, lanes), u = kernel::load_lanes<T>(gate + width + i, lanes);
      kernel::store_lanes<T>(to + r * width + i, kernel::silu(g) * u, lanes);
    }
  }
}

}  // namespace detail

/// What one sequence is told beside its units, at every place: of a picture, what each pixel may become. Row i belongs
/// to the unit i that is to be predicted. Copies share the rows.
struct GptHints {
  Tensor<float> vectors;  // [n, D]: added to what is read last before unit i
  Tensor<float> logits;   // [n, V]: added to the logits of unit i
};

/// A template so that it costs only programs that use it.
template <class T>
class BasicGptDecoder {
 public:
  using Condition = std::vector<Unit>;  // the prompt: at least one unit

  /// What has been read, and the logits of what comes next. A value; copies share the cache until they write.
  class State {
   public:
    std::span<const T> logits() const { return logits_.span(); }
    /// Everything read since begin().
    std::span<const Unit> units() const { return units_; }
    const KvCache& cache() const { return cache_; }

   private:
    friend class BasicGptDecoder;
    KvCache cache_;
    std::vector<Unit> units_;
    Index vectors_ = 0;      // that it began with
    GptHints hints_;         // for a sequence that began with vectors
    std::size_t first_ = 0;  // the cache holds those and units_[first_ ..)
    std::size_t slid_ = 0;   // how many units there were when it was last built anew
    Tensor<T> logits_;       // [V]
  };

  explicit BasicGptDecoder(GptDecoderWeights weights, CacheFormat cache = CacheFormat::f32) : cache_(cache) {
    weights.config.check();
    weights_ = std::make_shared<const GptDecoderWeights>(std::move(weights));
  }
  explicit BasicGptDecoder(const Gpt<T>& net, const GptDecoderOptions& o = {})
      : BasicGptDecoder(decoder_weights(net, o), o.cache) {}

  const GptConfig& config() const { return weights_->config; }
  Index vocabulary() const { return config().vocabulary; }
  /// Bytes of weights that a step reads.
  Index bytes() const {
    Index n = weights_->head.bytes();
    for (const auto& l : weights_->layers)
      n += l.query_key_value.bytes() + l.output.bytes() + l.up.bytes() + l.down.bytes();
    return n;
  }

  /// Throws argument_error for an empty prompt or a unit that is none.
  State begin(const Condition& prompt) const { return begin_with(prompt, nullptr); }
  /// The same, and `logits` [n, V] becomes what comes after each unit of the prompt: for judging a text in one pass.
  State begin(const Condition& prompt, Tensor<T>& logits) const {
    logits = Tensor<T>(Shape{static_cast<Index>(prompt.size()), vocabulary()});
    return begin_with(prompt, logits.data());
  }
  /// Begins with vectors [n, D] in the place of embedded units, such as what a text encoder has to say; positions are
  /// added to them. Such a sequence ends with the context, and may have hints for all of it. Throws shape_error.
  State begin(const Tensor<T>& vectors, GptHints hints = {}) const {
    if (vectors.rank() != 2 || vectors.extent(0) < 1 || vectors.extent(0) > config().context ||
        vectors.extent(1) != config().width)
      throw shape_error("Gpt: vectors [n, " + std::to_string(config().width) + "] with n from 1 to " +
                        std::to_string(config().context) + " wanted, shape is " + vectors.shape().to_string());
    const auto check = [&](const Tensor<float>& rows, const char* what, Index width) {
      const Index n = config().context - vectors.extent(0) + 1;
      if (rows && (rows.rank() != 2 || rows.extent(0) < n || rows.extent(1) != width))
        throw shape_error(std::string("Gpt: hints for ") + what + " [" + std::to_string(n) + ", " +
                          std::to_string(width) + "] wanted, shape is " + rows.shape().to_string());
    };
    check(hints.vectors, "vectors", config().width);
    check(hints.logits, "logits", vocabulary());
    State state = empty();
    state.hints_ = std::move(hints);
    const std::vector<Unit> none(static_cast<std::size_t>(vectors.extent(0)));
    forward({Part{&state, none, vectors.data()}}, nullptr);
    state.vectors_ = vectors.extent(0);
    return state;
  }
  void next(State& state, Unit unit) const { read(state, {&unit, 1}, nullptr); }
  /// states[i] reads units[i], all in one pass over the weights.
  void next(std::span<State* const> states, std::span<const Unit> units) const {
    if (states.size() != units.size())
      throw argument_error("Gpt: " + std::to_string(units.size()) + " units for " + std::to_string(states.size()) +
                           " sequences");
    std::vector<Part> parts;
    for (std::size_t i = 0; i < states.size(); ++i) {
      if (full(*states[i]))
        next(*states[i], units[i]);
      else
        parts.push_back(Part{states[i], units.subspan(i, 1)});
    }
    forward(parts, nullptr);
  }
  /// Row i is the logits after units[i]: [n, V].
  Tensor<T> extend(State& state, std::span<const Unit> units) const {
    Tensor<T> logits(Shape{static_cast<Index>(units.size()), vocabulary()});
    read(state, units, logits.data());
    return logits;
  }
  /// As if the last n units had not come; state.logits() then means nothing until another one has.
  void rewind(State& state, Index n) const {
    if (n < 0 || n >= static_cast<Index>(state.units_.size()))
      throw argument_error("Gpt: " + std::to_string(n) + " units to take back of " +
                           std::to_string(state.units_.size()) + "; at least one must stay");
    const std::size_t kept = state.units_.size() - static_cast<std::size_t>(n);
    if (kept >= state.slid_) {
      state.units_.resize(kept);
      state.cache_.truncate(state.vectors_ + static_cast<Index>(kept - state.first_));
    } else {  // the context was filled meanwhile: read it all again
      state = begin(Condition(state.units_.begin(), state.units_.begin() + static_cast<std::ptrdiff_t>(kept)));
    }
  }

 private:
  struct Part {
    State* state;
    std::span<const Unit> units;
    const T* vectors = nullptr;  // if given, these are read, and the units only counted
  };

  State empty() const {
    State state;
    state.cache_ = KvCache(
        {.layers = config().layers, .heads = config().key_heads(), .width = config().head_width(), .format = cache_});
    return state;
  }
  State begin_with(const Condition& prompt, T* all) const {
    if (prompt.empty())
      throw argument_error("Gpt: an empty prompt; give at least one unit, such as the one that texts begin with");
    State state = empty();
    read(state, prompt, all);
    return state;
  }
  bool full(const State& s) const { return s.cache_.length() >= config().context; }

  /// Reads units in the portions the context allows. `all`, if given, receives the logits after each. When the context
  /// is full, the newer half of it is read again into an empty one. Of a portion after which that happens once more
  /// nothing stays; where nobody asks for its logits it is not computed: the longest prompt costs two contexts at most.
  void read(State& state, std::span<const Unit> units, T* all) const {
    check_units(units);
    const auto context = static_cast<std::size_t>(config().context), keep = context / 2 > 0 ? context / 2 : 1;
    auto held = static_cast<std::size_t>(state.cache_.length());
    std::vector<Unit> again;
    while (!units.empty()) {
      if (held == context) {
        if (state.vectors_ > 0)
          throw argument_error("Gpt: the context of " + std::to_string(config().context) +
                               " is full, and a sequence that began with vectors cannot slide");
        again.assign(state.units_.end() - static_cast<std::ptrdiff_t>(keep - 1), state.units_.end());
        state.first_ = state.units_.size() - again.size();
        state.slid_ = state.units_.size() + 1;
        state.units_.resize(state.first_);
        state.cache_.truncate(0);
        held = 0;
      }
      const std::size_t room = context - held - again.size();
      const auto now = units.first(units.size() < room ? units.size() : room);
      if (!all && state.vectors_ == 0 && units.size() > room) {
        state.units_.insert(state.units_.end(), again.begin(), again.end());
        state.units_.insert(state.units_.end(), now.begin(), now.end());
      } else {
        if (!again.empty()) forward({{Part{&state, again}}}, nullptr);
        forward({{Part{&state, now}}}, all);
        if (all) all += static_cast<Index>(now.size()) * vocabulary();
      }
      held += again.size() + now.size();
      again.clear();
      units = units.subspan(now.size());
    }
  }

  void check_units(std::span<const Unit> units) const {
    for (const Unit u : units) {
      if (u < 0 || u >= vocabulary())
        throw argument_error("Gpt: unit " + std::to_string(u) + " is not in [0, " + std::to_string(vocabulary()) + ")");
    }
  }

  /// The network over the new units of each part. Logits after the last of each part go to its state; with `all`, those
  /// after every unit go there too.
  void forward(const std::vector<Part>& parts, T* all) const;
  void attend(const std::vector<Part>& parts, Index layer, const T* qkv, T* out) const;

  std::shared_ptr<const GptDecoderWeights> weights_;
  CacheFormat cache_;
};

using GptDecoder = BasicGptDecoder<float>;

template <class T>
void BasicGptDecoder<T>::forward(const std::vector<Part>& parts, T* all) const {
  const GptDecoderWeights& w = *weights_;
  const GptConfig& c = w.config;
  const Index D = c.width, V = c.vocabulary, head_width = c.head_width();
  const Index q_width = D, kv_width = c.key_heads() * head_width, qkv_width = q_width + 2 * kv_width;
  const Index hidden = c.mlp_width();
  const bool gated = c.mlp == GptMlp::swiglu;
  Index rows = 0;
  for (const Part& p : parts) {
    if (!p.vectors) check_units(p.units);
    rows += static_cast<Index>(p.units.size());
  }
  if (rows == 0) return;

  const auto size = [&](Index n) { return static_cast<std::size_t>(rows * n); };
  const kernel::Scratch<T> x(rows * D), h(rows * D), qkv(rows * qkv_width), mixed(rows * D),
      up(rows * hidden * (gated ? 2 : 1)), act(gated ? rows * hidden : 0);
  const auto span = [&](const kernel::Scratch<T>& s, Index n) { return std::span<T>(s.data(), size(n)); };
  const auto norm = [&](const GptDecoderWeights::Norm& n, Index count, const T* from, T* to) {
    if (c.norm == GptNorm::layer)
      kernel::layer_norm<T>(count, D, from, n.gain.data(), n.bias.data(), c.epsilon, to, nullptr, nullptr);
    else
      kernel::rms_norm<T>(count, D, from, n.gain.data(), c.epsilon, to, nullptr);
  };
  // y = x + layer(from), in place
  const auto add_branch = [&](const QuantizedLinear& layer, std::span<const T> from) {
    const kernel::AddResidual<T> residual{x.data(), D};
    if (layer.bias())
      layer.apply(from, span(x, D), kernel::then(kernel::AddBias<T>{layer.bias().data()}, residual));
    else
      layer.apply(from, span(x, D), residual);
  };

  Index row = 0;
  for (const Part& p : parts) {
    KvCache& cache = p.state->cache_;
    Index position = cache.length();
    cache.reserve(static_cast<Index>(p.units.size()));
    const std::vector<Unit>& before = p.state->units_;
    for (std::size_t i = 0; i < p.units.size(); ++i) {
      T* to = x.data() + row * D;
      const auto add = [to, D](const T* from) {
        for (Index k = 0; k < D; ++k) to[k] += from[k];
      };
      if (p.vectors)
        std::memcpy(to, p.vectors + static_cast<Index>(i) * D, static_cast<std::size_t>(D) * sizeof(float));
      else if (w.embedding)
        std::memcpy(to, w.embedding.data() + p.units[i] * D, static_cast<std::size_t>(D) * sizeof(float));
      else
        w.head.row(p.units[i], {to, static_cast<std::size_t>(D)});
      for (const auto& e : w.earlier) {
        if (p.vectors) break;
        const std::size_t at = before.size() + i, back = static_cast<std::size_t>(e.back);
        const Index u = at < back ? V : at - back < before.size() ? before[at - back] : p.units[i - back];
        add(e.embedding.data() + u * D);
      }
      if (const Tensor<float>& hints = p.state->hints_.vectors; hints && (!p.vectors || i + 1 == p.units.size()))
        add(hints.data() + (p.vectors ? 0 : static_cast<Index>(before.size() + i) + 1) * D);
      if (w.positions) add(w.positions.data() + position * D);
      ++row, ++position;
    }
  }

  // Angles of these rows alone: a table for all of the context would be as large as a file claims that to be.
  const Index half = c.positions == GptPositions::rotary ? head_width / 2 : 0;
  const kernel::Scratch<T> cosine(rows * half), sine(rows * half);
  row = 0;
  for (const Part& p : parts) {
    const Index n = static_cast<Index>(p.units.size());
    if (half > 0)
      kernel::rotary_angles(p.state->cache_.length(), n, head_width, c.rotary_base, cosine.data() + row * half,
                            sine.data() + row * half);
    row += n;
  }

  for (Index l = 0; l < c.layers; ++l) {
    const auto& layer = w.layers[static_cast<std::size_t>(l)];
    norm(layer.norm1, rows, x.data(), h.data());
    layer.query_key_value.apply(span(h, D), span(qkv, qkv_width));
    row = 0;
    for (const Part& p : parts) {
      const Index n = static_cast<Index>(p.units.size()), position = p.state->cache_.length();
      T* from = qkv.data() + row * qkv_width;
      if (half > 0) {
        kernel::RotaryShape s;
        s.rows = n, s.heads = c.heads + c.key_heads(), s.width = head_width;  // keys follow the queries
        s.head_stride = head_width, s.row_stride = qkv_width;
        kernel::rotary(s, cosine.data() + row * half, sine.data() + row * half, from);
      }
      for (Index i = 0; i < n; ++i) {
        const T* k = from + i * qkv_width + q_width;
        p.state->cache_.put(l, position + i, k, k + kv_width);
      }
      row += n;
    }
    attend(parts, l, qkv.data(), mixed.data());
    add_branch(layer.output, span(mixed, D));

    norm(layer.norm2, rows, x.data(), h.data());
    const auto gelus = [&](auto function) {
      if (layer.up.bias())
        layer.up.apply(span(h, D), span(up, hidden), kernel::bias_then(layer.up.bias().data(), function));
      else
        layer.up.apply(span(h, D), span(up, hidden), kernel::Activate<decltype(function)>{function});
    };
    if (gated) {
      layer.up.apply(span(h, D), span(up, 2 * hidden));
      detail::swiglu_rows(rows, hidden, up.data(), act.data());
    } else if (c.mlp == GptMlp::gelu) {
      gelus([](kernel::Pack<T> v) { return kernel::gelu(v); });
    } else {
      gelus([](kernel::Pack<T> v) { return kernel::gelu_tanh(v); });
    }
    add_branch(layer.down, span(gated ? act : up, hidden));
  }

  row = 0;
  Index lasts = 0;
  for (const Part& p : parts) {  // the last row of each part moves to the front
    const Index n = static_cast<Index>(p.units.size());
    row += n;
    std::memcpy(h.data() + lasts++ * D, x.data() + (row - 1) * D, static_cast<std::size_t>(D) * sizeof(float));
    p.state->cache_.advance(n);
    if (!p.vectors) p.state->units_.insert(p.state->units_.end(), p.units.begin(), p.units.end());
  }
  const auto logits_of = [&](Index count, const T* from, T* to) {
    norm(w.norm, count, from, mixed.data());
    w.head.apply({mixed.data(), static_cast<std::size_t>(count * D)}, {to, static_cast<std::size_t>(count * V)});
  };
  // the logits after the last `count` units of a part, which it has read by now
  const auto add_hints = [&](const Part& p, Index count, T* to) {
    const Tensor<float>& hints = p.state->hints_.logits;
    if (!hints) return;
    const T* from = hints.data() + (static_cast<Index>(p.state->units_.size()) + 1 - count) * V;
    for (Index i = 0; i < count * V; ++i) to[i] += from[i];
  };
  if (all) {
    logits_of(rows, x.data(), all);
    row = 0;
    for (const Part& p : parts) {
      const Index n = static_cast<Index>(p.units.size());
      add_hints(p, n, all + row * V);
      row += n;
      p.state->logits_ =
          Tensor<T>::from(Shape{V}, std::span<const T>(all + (row - 1) * V, static_cast<std::size_t>(V)));
    }
  } else if (parts.size() == 1) {
    Tensor<T>& logits = parts[0].state->logits_;
    if (!logits.unique()) logits = Tensor<T>(Shape{V});
    logits_of(1, h.data(), logits.data());
    add_hints(parts[0], 1, logits.data());
  } else {
    const kernel::Scratch<T> logits(lasts * V);
    logits_of(lasts, h.data(), logits.data());
    for (Index i = 0; i < lasts; ++i) {
      const Part& p = parts[static_cast<std::size_t>(i)];
      add_hints(p, 1, logits.data() + i * V);
      p.state->logits_ =
          Tensor<T>::from(Shape{V}, std::span<const T>(logits.data() + i * V, static_cast<std::size_t>(V)));
    }
  }
}

/// Each part's queries over its own cache. Many queries go through the tiles of kernel::attention, few through
/// attend_cached: same bits.
template <class T>
void BasicGptDecoder<T>::attend(const std::vector<Part>& parts, Index layer, const T* qkv, T* out) const {
  const GptConfig& c = config();
  const Index D = c.width, head_width = c.head_width(), G = c.key_heads();
  const Index kv_width = G * head_width, qkv_width = D + 2 * kv_width;
  std::vector<CachedRows<T>> few;
  Index row = 0;
  for (const Part& p : parts) {
    const Index n = static_cast<Index>(p.units.size()), before = p.state->cache_.length();
    const T *q = qkv + row * qkv_width, *k = q + D, *v = k + kv_width;
    if (n < CachedRows<T>::most) {
      few.push_back({&p.state->cache_, n, before + 1, q, out + row * D});
    } else {
      kernel::AttentionShape s = kernel::AttentionShape::dense(1, n, before + n, c.heads, G, head_width);
      s.causal = true;
      s.q_row = qkv_width;
      Tensor<T> keys, values;
      if (before == 0 && cache_ == CacheFormat::f32) {
        s.k_row = s.v_row = qkv_width;
      } else {
        keys = Tensor<T>(Shape{before + n, kv_width});
        values = Tensor<T>(Shape{before + n, kv_width});
        p.state->cache_.gather(layer, before + n, keys.data(), values.data());
        k = std::as_const(keys).data();
        v = std::as_const(values).data();
      }
      kernel::attention<T>(s, q, k, v, nullptr, nullptr, out + row * D, nullptr);
    }
    row += n;
  }
  attend_cached<T>(layer, c.heads, qkv_width, D, few);
}

static_assert(NextUnits<GptDecoder> && Extendable<GptDecoder>);

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template class BasicGptDecoder<float>;
#endif

}  // namespace tessera::inline TESSERA_ISA
