// A moving average of a module's parameters and buffers, which generates better pictures than the last step's weights:
// average = d average + (1 - d) value, where d = min(decay, (1 + n) / (10 + n)) after n updates, so that it forgets the start.
#pragma once

#include <tessera/autodiff/op/apply.hpp>
#include <tessera/nn/module.hpp>

namespace tessera::inline TESSERA_ISA {

template <Module M>
class Ema {
 public:
  /// Starts as a copy of the module. decay in [0, 1).
  Ema(const M& module, double decay) : average_(module), decay_(decay) {
    if (!(decay >= 0 && decay < 1)) throw argument_error("Ema: decay " + std::to_string(decay) + " is not in [0, 1)");
  }

  void update(const M& module) {
    const double n = static_cast<double>(updates_++);
    const double warm = (1 + n) / (10 + n);
    const double d = decay_ < warm ? decay_ : warm;
    const std::vector<detail::Leaf> from = detail::leaves(module), to = detail::leaves(average_);
    for (std::size_t i = 0; i < to.size(); ++i) {
      detail::visit(to[i], [&](auto& a) {
        using T = typename std::remove_cvref_t<decltype(a)>::Scalar;
        const Tensor<T>& value = from[i].template tensor<T>();
        if constexpr (std::floating_point<T>) {
          using P = kernel::Pack<T>;
          const auto keep = static_cast<T>(d);
          a = detail::zip("Ema", std::move(a), value, [keep](P x, P v) { return fma(P(keep), x - v, v); });
        } else {
          a = value;  // a count has no average
        }
      });
    }
  }

  const M& average() const { return average_; }
  M& average() { return average_; }
  Index updates() const { return updates_; }
  void set_updates(Index n) { updates_ = n; }

 private:
  M average_;
  double decay_;
  Index updates_ = 0;
};

}  // namespace tessera::inline TESSERA_ISA
