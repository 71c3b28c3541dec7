// Generation with a PixelRnn's weights: a NextUnit (generate/next_unit.hpp) without a condition, so that a SequenceRun
// chooses its colours, and completes pictures whose first pixels are given.
//
//   PixelRnnDecoder model(net);
//   auto run = begin_sequence(model, {}, Noise{7}, {.length = 400, .forced = upper_half});
//   while (run.step()) show(run.preview());                   // the colours so far, in raster order
#pragma once

#include <memory>
#include <tessera/autodiff/op/gather.hpp>
#include <tessera/autoregressive/pixel_rnn.hpp>
#include <tessera/generate/next_unit.hpp>

namespace tessera::inline TESSERA_ISA {

class PixelRnnDecoder {
 public:
  struct Condition {};

  class State {
   public:
    std::span<const float> logits() const { return logits_.span(); }

   private:
    friend class PixelRnnDecoder;
    std::vector<LstmState<Tensor<float>>> layers_;  // [1, hidden] each
    std::vector<Unit> pixels_;                      // so far
    Tensor<float> logits_;                          // [1, 1, colours]
  };

  explicit PixelRnnDecoder(const PixelRnn<float>& net) : net_(std::make_shared<PixelRnn<float>>(net)) {}

  Index vocabulary() const { return config().colours; }
  const PixelRnnConfig& config() const { return net_->config; }

  State begin(const Condition& = {}) const {
    State state;
    const Shape zero{1, config().hidden};
    for (Index i = 0; i < config().layers; ++i)
      state.layers_.push_back({Tensor<float>(zero, 0.f), Tensor<float>(zero, 0.f)});
    State* one = &state;
    see({&one, 1});
    return state;
  }
  void next(State& state, Unit unit) const {
    State* one = &state;
    next({&one, 1}, {&unit, 1});
  }
  /// states[i] reads units[i]. Throws argument_error, with nothing changed, for what is no colour and full pictures.
  void next(std::span<State* const> states, std::span<const Unit> units) const {
    if (states.size() != units.size())
      throw argument_error("PixelRnn: " + std::to_string(units.size()) + " units for " + std::to_string(states.size()) +
                           " pictures");
    for (std::size_t i = 0; i < states.size(); ++i) {
      if (units[i] < 0 || units[i] >= vocabulary())
        throw argument_error("PixelRnn: unit " + std::to_string(units[i]) + " is not in [0, " +
                             std::to_string(vocabulary()) + ")");
      if (static_cast<Index>(states[i]->pixels_.size()) + 1 >= config().pixels())
        throw argument_error("PixelRnn: the picture is full");
    }
    for (std::size_t i = 0; i < states.size(); ++i) states[i]->pixels_.push_back(units[i]);
    see(states);
  }

 private:
  /// The logits of the next pixel of each.
  void see(std::span<State* const> states) const {
    const Index n = static_cast<Index>(states.size()), side = config().side;
    Tensor<std::int32_t> before(Shape{n, 1}), above(Shape{n, 1}), row(Shape{n, 1}), column(Shape{n, 1});
    for (Index i = 0; i < n; ++i) {
      const std::vector<Unit>& pixels = states[static_cast<std::size_t>(i)]->pixels_;
      const auto at = static_cast<Index>(pixels.size());
      const auto back = [&](Index by) {
        return at < by ? static_cast<Unit>(config().colours) : pixels[static_cast<std::size_t>(at - by)];
      };
      before.data()[i] = back(1);
      above.data()[i] = back(side);
      row.data()[i] = static_cast<std::int32_t>(at / side);
      column.data()[i] = static_cast<std::int32_t>(at % side);
    }
    Tensor<float> x = net_->before(before) + net_->above(above);  // [n, 1, width]
    x = x + (gather(net_->rows.value, row) + gather(net_->columns.value, column));
    for (std::size_t l = 0; l < net_->layers.size(); ++l) {
      std::vector<Tensor<float>> h, c;
      for (const State* s : states) {
        h.push_back(s->layers_[l].h);
        c.push_back(s->layers_[l].c);
      }
      LstmState<Tensor<float>> all{concat(std::span<const Tensor<float>>(h), 0),
                                   concat(std::span<const Tensor<float>>(c), 0)};
      x = net_->layers[l](x, all);
      for (Index i = 0; i < n; ++i)
        states[static_cast<std::size_t>(i)]->layers_[l] = {slice(all.h, 0, i, i + 1), slice(all.c, 0, i, i + 1)};
    }
    const Tensor<float> logits = net_->head(x);
    for (Index i = 0; i < n; ++i) states[static_cast<std::size_t>(i)]->logits_ = slice(logits, 0, i, i + 1);
  }

  std::shared_ptr<const PixelRnn<float>> net_;
};

static_assert(NextUnits<PixelRnnDecoder>);

}  // namespace tessera::inline TESSERA_ISA
