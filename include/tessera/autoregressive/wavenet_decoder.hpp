// Generation with a WaveNet's weights, a sample a step: each layer keeps the inputs it will need again in a queue as
// long as its dilation, so that a sample costs two matrix-vector products a layer and not the whole network over all it
// sees ("Fast WaveNet": Le Paine et al., 2016, arXiv 1611.09482).
//
//   WaveNetDecoder model(net, {.half = true});
//   auto state = model.begin(frames);                       // a NextUnit: generate/next_unit.hpp
//   model.next(state, unit);  state.logits();
//
// With F32 weights the logits have the bits of the network's own forward pass, as long as no sum has more than 256
// terms (2 residual <= 256, skip <= 256): beyond, the big product adds in parts. What a frame's features add to the
// gates is computed once a frame. A step allocates nothing.
//
// A step waits for weights, so fewer are read: what an input adds to the gates d steps later is known d steps ahead, and
// is computed for up to 8 samples together, in turns so that the layers' turns fall on different samples. A third of the
// weights is then read once in 8 samples, and the rest of a usual network fits into the cache near the core.
#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <tessera/autoregressive/wavenet.hpp>
#include <tessera/generate/next_unit.hpp>
#include <tessera/kernel/matvec_panels.hpp>
#include <utility>
#include <vector>

namespace tessera::inline TESSERA_ISA {

struct WaveNetDecoderOptions {
  bool half = false;  // weights in F16: half the memory, faster where they do not fit into the caches near the core
};

namespace detail {

/// What one sequence has beside the logits.
struct WaveNetMemory {
  std::vector<float> queues;  // of all layers, one after another; a slot is `residual` wide
  std::vector<float> ahead;   // of each layer: what the slots of a turn add to the gates
  std::vector<Index> at;      // of each layer: the slot with the oldest input
  std::vector<float> frame;   // of each layer: what the current frame adds to its gates
  std::vector<float> x, g, z, skip, h;
};

/// A WaveNet's numbers in the order in which a step reads them. Every group of channels starts at a whole register; the
/// channels that fill it up have weights of 0 and stay 0.
template <class Stored>
class PackedWaveNet {
 public:
  using Memory = WaveNetMemory;
  using Panels = kernel::MatvecPanels<Stored>;
  static constexpr Index lanes = kernel::native_width, longest_turn = 8;
  static constexpr Index rounded(Index n) { return (n + lanes - 1) / lanes * lanes; }

  explicit PackedWaveNet(const WaveNet<float>& net)
      : config_(net.config),
        residual_(rounded(config_.residual)),
        skip_(rounded(config_.skip)),
        embedding_(padded_table(net.embedding.weight.value)),
        post_(pack(net.post)),
        last_(pack(net.last)),
        post_bias_(padded_bias(*net.post.bias)),
        last_bias_(padded_bias(*net.last.bias)) {
    const Index R = config_.residual, S = config_.skip;
    Index offset = 0;
    for (Index i = 0; i < config_.layers(); ++i) {
      const WaveNetLayer<float>& from = net.layers[static_cast<std::size_t>(i)];
      const Index kept = i + 1 < config_.layers() ? R : 0;
      // A padded output's own number, -1 for one that only fills up: filters, then gates; residual, then skip.
      const auto gate_row = [=, this](Index o) { return o % residual_ < R ? o / residual_ * R + o % residual_ : -1; };
      const auto mix_row = [=, this](Index o) {
        const Index first = kept > 0 ? residual_ : 0;
        return o < first ? (o < R ? o : -1) : o - first < S ? kept + o - first : -1;
      };
      const float* gates = from.gates.weight.value.data();  // [2, R, 2R]
      const float* mix = from.mix.weight.value.data();      // [kept + S, R]
      Layer to;
      const auto gate_panels = [&](Index tap) {
        return Panels(2 * residual_, R, [&](Index o, Index k) {
          const Index row = gate_row(o);
          return row < 0 ? 0.0F : gates[(tap * R + k) * 2 * R + row];
        });
      };
      to.gates_before = gate_panels(0);
      to.gates_now = gate_panels(1);
      to.mix = Panels((kept > 0 ? residual_ : 0) + skip_, R, [&](Index o, Index k) {
        const Index row = mix_row(o);
        return row < 0 ? 0.0F : mix[row * R + k];
      });
      to.gate_bias.assign(static_cast<std::size_t>(2 * residual_), 0.0F);
      to.mix_bias.assign(static_cast<std::size_t>(to.mix.padded()), 0.0F);
      const float* gate_bias = (from.condition ? *from.condition->bias : *from.bias).value.data();
      const float* mix_bias = from.mix.bias->value.data();
      for (Index o = 0; o < 2 * residual_; ++o) {
        if (gate_row(o) >= 0) to.gate_bias[static_cast<std::size_t>(o)] = gate_bias[gate_row(o)];
      }
      for (Index o = 0; o < to.mix.out(); ++o) {
        if (mix_row(o) >= 0) to.mix_bias[static_cast<std::size_t>(o)] = mix_bias[mix_row(o)];
      }
      if (from.condition) {
        const float* condition = from.condition->weight.value.data();  // [2R, C]
        to.condition = kernel::MatvecPanels<float>(2 * residual_, config_.condition, [&](Index o, Index k) {
          const Index row = gate_row(o);
          return row < 0 ? 0.0F : condition[row * config_.condition + k];
        });
      }
      to.queue = offset;
      to.dilation = config_.dilation(i);
      to.turn = to.dilation < longest_turn ? to.dilation : longest_turn;
      to.ahead = ahead_floats_;
      ahead_floats_ += to.turn * 2 * residual_;
      to.kept = kept > 0 ? residual_ : 0;
      offset += to.dilation * residual_;
      layers_.push_back(std::move(to));
    }
    queue_floats_ = offset;
    place();
  }

  const WaveNetConfig& config() const { return config_; }
  Index logits_room() const { return last_.padded(); }
  /// Of weights that a step reads.
  Index bytes() const {
    Index sum = post_.bytes() + last_.bytes();
    for (const Layer& l : layers_) sum += l.gates_before.bytes() / l.turn + l.gates_now.bytes() + l.mix.bytes();
    return sum;
  }

  Memory memory() const {
    const auto floats = [](Index n) { return std::vector<float>(static_cast<std::size_t>(n), 0.0F); };
    std::vector<Index> at(layers_.size());  // all slots are silent: a queue may begin anywhere
    for (std::size_t i = 0; i < at.size(); ++i) at[i] = static_cast<Index>(i) % layers_[i].turn;
    return {floats(queue_floats_), floats(ahead_floats_), std::move(at),     floats(config_.layers() * 2 * residual_),
            floats(residual_),     floats(2 * residual_), floats(residual_), floats(skip_),
            floats(skip_)};
  }

  /// Another frame begins: its features [C], or nullptr without a condition.
  void begin_frame(Memory& m, const float* features) const {
    float* to = m.frame.data();
    for (const Layer& l : layers_) {
      const float* bias = l.gate_bias.data();
      if (features)
        l.condition(features, [&](F sum, Index o) { (sum + F::load(bias + o)).store(to + o); });
      else
        std::memcpy(to, bias, l.gate_bias.size() * sizeof(float));
      to += 2 * residual_;
    }
  }

  void step(Memory& m, std::int32_t unit, float* logits) const {
    const Index padded = residual_;
    float* const x = m.x.data();
    float* const g = m.g.data();
    float* const z = m.z.data();
    float* const skip = m.skip.data();
    std::memcpy(x, embedding_.data() + unit * padded, static_cast<std::size_t>(padded) * sizeof(float));
    const float* frame = m.frame.data();
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const Layer& l = layers_[i];
      float* const old = m.queues.data() + l.queue + m.at[i] * padded;
      const Index turn = m.at[i] % l.turn, left = l.dilation - m.at[i];
      float* const ahead = m.ahead.data() + l.ahead;
      if (turn == 0) l.gates_before.many(old, padded, left < l.turn ? left : l.turn, ahead);
      l.gates_now(
          x, [&](F sum, Index o) { (sum + F::load(frame + o)).store(g + o); }, ahead + turn * 2 * padded);
      frame += 2 * padded;
      for (Index j = 0; j < padded; j += lanes) {
        F::load(x + j).store(old + j);  // the oldest input makes room for the newest
        (kernel::tanh(F::load(g + j)) * kernel::sigmoid(F::load(g + padded + j))).store(z + j);
      }
      if (++m.at[i] == l.dilation) m.at[i] = 0;
      const float* bias = l.mix_bias.data();
      const Index kept = l.kept;
      const bool first = i == 0;
      l.mix(z, [&](F sum, Index o) {
        const F y = sum + F::load(bias + o);
        if (o < kept)
          (F::load(x + o) + y).store(x + o);
        else
          (first ? y : F::load(skip + o - kept) + y).store(skip + o - kept);
      });
    }
    const F zero(0.0F);
    float* const h = m.h.data();
    for (Index j = 0; j < skip_; j += lanes) max(F::load(skip + j), zero).store(skip + j);
    post_(skip, [&](F sum, Index o) { max(sum + F::load(post_bias_.data() + o), zero).store(h + o); });
    last_(h, [&](F sum, Index o) { (sum + F::load(last_bias_.data() + o)).store(logits + o); });
  }

 private:
  using F = kernel::Pack<float>;

  struct Layer {
    Panels gates_before, gates_now, mix;
    kernel::MatvecPanels<float> condition;
    std::vector<float> gate_bias, mix_bias;
    Index queue = 0, ahead = 0, dilation = 1, turn = 1, kept = 0;
  };

  static Panels pack(const Linear<float>& linear) {
    const float* w = linear.weight.value.data();
    const Index in = linear.weight.value.extent(1);
    return Panels(linear.weight.value.extent(0), in, [=](Index o, Index k) { return w[o * in + k]; });
  }
  static std::vector<float> padded_bias(const Parameter<float>& bias) {
    std::vector<float> to(static_cast<std::size_t>(rounded(bias.value.size())), 0.0F);
    std::memcpy(to.data(), bias.value.data(), static_cast<std::size_t>(bias.value.size()) * sizeof(float));
    return to;
  }
  static std::vector<float> padded_table(const Tensor<float>& table) {
    const Index width = rounded(table.cols());
    std::vector<float> to(static_cast<std::size_t>(table.rows() * width), 0.0F);
    for (Index r = 0; r < table.rows(); ++r)
      std::memcpy(to.data() + r * width, table.data() + r * table.cols(),
                  static_cast<std::size_t>(table.cols()) * sizeof(float));
    return to;
  }

  /// All weights one after another, in a block of the pool that is large enough for large pages: on small ones,
  /// wherever they happen to lie, some would compete for the same places in the cache.
  void place() {
    constexpr Index large = (Index{2} << 20) / static_cast<Index>(sizeof(Stored));
    std::vector<Panels*> all;
    for (Layer& l : layers_) all.insert(all.end(), {&l.gates_now, &l.mix});
    all.insert(all.end(), {&post_, &last_});
    for (Layer& l : layers_) all.push_back(&l.gates_before);
    Index size = 0;
    for (const Panels* p : all) size += p->stored();
    weights_ = kernel::Scratch<Stored>(size > large / 4 && size < large ? large : size);
    Stored* to = weights_.data();
    for (Panels* p : all) {
      p->move_to(to);
      to += p->stored();
    }
  }

  WaveNetConfig config_;
  Index residual_, skip_;  // padded
  kernel::Scratch<Stored> weights_{0};
  std::vector<float> embedding_;
  std::vector<Layer> layers_;
  Panels post_, last_;
  std::vector<float> post_bias_, last_bias_;
  Index queue_floats_ = 0, ahead_floats_ = 0;
};

}  // namespace detail

/// A template so that it costs only programs that use it.
template <class T>
class BasicWaveNetDecoder {
  using Full = detail::PackedWaveNet<T>;
  using Halved = detail::PackedWaveNet<kernel::Half>;

 public:
  /// Features [F, C] of the frames to come; an empty tensor for a net without a condition.
  using Condition = Tensor<float>;

  class State {
   public:
    /// Of the next sample.
    std::span<const float> logits() const { return {logits_.data(), classes_}; }
    /// Samples so far.
    Index length() const { return length_; }

   private:
    friend class BasicWaveNetDecoder;
    detail::WaveNetMemory memory_;
    std::vector<float> logits_;
    std::size_t classes_ = 0;
    Condition frames_;
    Index length_ = 0;
  };

  explicit BasicWaveNetDecoder(const WaveNet<T>& net, const WaveNetDecoderOptions& options = {}) {
    if (options.half)
      halved_ = std::make_shared<const Halved>(net);
    else
      full_ = std::make_shared<const Full>(net);
  }

  const WaveNetConfig& config() const { return full_ ? full_->config() : halved_->config(); }
  Index vocabulary() const { return config().classes; }
  /// Of weights that a step reads.
  Index bytes() const { return full_ ? full_->bytes() : halved_->bytes(); }

  /// Throws shape_error when the frames are not [F, C], F >= 1.
  State begin(const Condition& frames) const {
    const Index features = config().condition;
    const bool fits =
        features == 0 ? frames.size() == 0 : frames.rank() == 2 && frames.extent(1) == features && frames.extent(0) > 0;
    if (!fits)
      throw shape_error("WaveNetDecoder: frames [F, " + std::to_string(features) + "] wanted, shape is " +
                        frames.shape().to_string());
    State state;
    with_weights([&](const auto& net) {
      state.memory_ = net.memory();
      state.logits_.resize(static_cast<std::size_t>(net.logits_room()));
    });
    state.classes_ = static_cast<std::size_t>(config().classes);
    state.frames_ = frames;
    read(state, static_cast<Unit>(config().start));
    return state;
  }

  /// Throws argument_error for a unit that is no level. Beyond the last frame its features stay.
  void next(State& state, Unit unit) const {
    if (unit < 0 || unit >= vocabulary())
      throw argument_error("WaveNetDecoder: unit " + std::to_string(unit) + " is not in [0, " +
                           std::to_string(vocabulary()) + ")");
    ++state.length_;
    read(state, unit);
  }

 private:
  template <class Body>
  void with_weights(const Body& body) const {
    if (full_)
      body(*full_);
    else
      body(*halved_);
  }

  /// state.length_ samples are known, the last of them `unit`.
  void read(State& state, Unit unit) const {
    with_weights([&](const auto& net) {
      const Index hop = config().hop, frame = state.length_ / hop;
      const bool known = config().condition > 0 && frame < state.frames_.extent(0);
      if (state.length_ == 0 || (known && state.length_ % hop == 0))
        net.begin_frame(state.memory_,
                        known ? std::as_const(state.frames_).data() + frame * config().condition : nullptr);
      net.step(state.memory_, unit, state.logits_.data());
    });
  }

  std::shared_ptr<const Full> full_;
  std::shared_ptr<const Halved> halved_;
};

using WaveNetDecoder = BasicWaveNetDecoder<float>;

}  // namespace tessera::inline TESSERA_ISA
