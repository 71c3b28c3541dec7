// A trained generator as a member of the family of generative models (generate/run.hpp): one step, the whole object.
//
//   const Gan model(generator);
//   auto boots = generate(model, Tensor<std::int32_t>(Shape{16}, 9), Noise{1});      // 16 of class 9
//
// An object depends on its noise and condition alone, not on its place in a batch: batch norms go by their running
// statistics.
#pragma once

#include <tessera/gan/networks.hpp>
#include <tessera/generate/run.hpp>

namespace tessera::inline TESSERA_ISA {

template <class Net>
class Gan {
 public:
  using T = typename Net::Number;

  /// Shares the network's memory; a network that is trained on does not change this one.
  explicit Gan(const Net& net) : net_(std::make_shared<Net>(net)) {}

  /// What is asked for: conditions, or for a network without them only how many.
  struct Request {
    Condition condition = {};
    Index count = 1;
    Request(Index n) : count(n) {}                                                     // NOLINT: a number is a request
    Request(Condition c) : condition(std::move(c)), count(condition.shape().at(0)) {}  // NOLINT: and so is a condition
  };

  class Run {
   public:
    Run(std::shared_ptr<const Net> net, Request request, const Noise& noise)
        : net_(std::move(net)), request_(std::move(request)), z_(net_->prior(noise, request_.count)) {}
    bool step() {
      if (done()) return false;
      object_ = net_->decode(z_, request_.condition);
      return true;
    }
    bool done() const { return static_cast<bool>(object_); }
    Index at() const { return done() ? 1 : 0; }
    Index total() const { return 1; }
    /// Before the step there is nothing to see yet: an empty tensor.
    Tensor<T> preview() const { return object_; }
    Tensor<T> finish() {
      step();
      return object_;
    }

   private:
    std::shared_ptr<const Net> net_;
    Request request_;
    Tensor<T> z_, object_;
  };

  /// Item i draws from noise.fork(i). Throws argument_error for a condition the network does not take.
  Run begin(const Request& request, const Noise& noise) const {
    const bool wants = net_->config.condition.kind != ConditionConfig::Kind::none;
    if (wants != static_cast<bool>(request.condition))
      throw argument_error(wants ? "Gan: this model is conditional; pass labels or tokens, one an object"
                                 : "Gan: this model takes no condition; pass how many objects are wanted");
    if (request.count < 1) throw argument_error("Gan: " + std::to_string(request.count) + " objects asked for");
    return Run(net_, request, noise);
  }

  Tensor<T> prior(const Noise& noise, Index count) const { return net_->prior(noise, count); }
  template <Value X>
  X decode(const X& z, const Condition& condition = {}) const {
    return net_->decode(z, condition);
  }
  const Net& network() const { return *net_; }

 private:
  std::shared_ptr<const Net> net_;
};

}  // namespace tessera::inline TESSERA_ISA
