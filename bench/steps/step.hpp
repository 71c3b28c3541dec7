// What compare.py asks of one side: a training (or generating) step of a network, built from the library's layers, whose
// weights and data come out of a file that both sides read.
//
// A subject is a struct:
//   static constexpr const char* name, *unit;     "train gpt", "token/s"
//   static constexpr double items;                 what one step handles, in that unit
//   explicit Subject(Rng&)                         random weights and data
//   static void members(auto& self, auto&& see)    the weights, as any module names them
//   static void data(auto& self, auto&& see)       the data, Tensor<float> and Tensor<int32_t>
//   double step()                                  one step; the loss before it
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <tessera/nn/init.hpp>
#include <tessera/nn/save.hpp>
#include <tessera/train/optimizer.hpp>

namespace steps {

using namespace tessera;

class Step {
 public:
  virtual ~Step() = default;
  virtual void save(Safetensors& file) const = 0;
  virtual void load(const Safetensors& file) = 0;
  virtual double operator()() = 0;
};

struct Entry {
  const char *name, *unit;
  double items;
  std::unique_ptr<Step> (*make)();
};

template <class Subject>
class StepOf : public Step {
 public:
  void save(Safetensors& file) const override {
    put(file, subject_, "net");
    Subject::data(subject_, [&](const char* name, const auto& tensor) { file.put(name, tensor); });
  }
  void load(const Safetensors& file) override {
    get(file, subject_, "net");
    Subject::data(subject_, [&]<class T>(const char* name, Tensor<T>& tensor) { tensor = file.get<T>(name); });
  }
  double operator()() override { return subject_.step(); }

 private:
  static Subject make() {
    Rng rng{1};
    Subject s(rng);
    // Branches that start at zero would leave parts of the network without work: every weight gets some.
    for_each_parameter(
        s, [&](const std::string&, auto& p) { p.value = p.value + init::normal<float>(p.value.shape(), 0.01, rng); });
    return s;
  }
  Subject subject_ = make();
};

template <class Subject>
Entry entry() {
  return {Subject::name, Subject::unit, Subject::items,
          []() -> std::unique_ptr<Step> { return std::make_unique<StepOf<Subject>>(); }};
}

/// Whole numbers in [0, below).
inline Tensor<std::int32_t> draw(const Shape& shape, Index below, const Noise& noise) {
  Tensor<std::int32_t> ids(shape);
  std::int32_t* to = ids.data();
  for (Index i = 0; i < ids.size(); ++i)
    to[i] = static_cast<std::int32_t>(noise.below(below, static_cast<std::uint64_t>(i)));
  return ids;
}

/// Forward, backward, optimizer: what most of the subjects do. `loss(tape)` records the forward pass.
template <Module M, class Loss>
double train_once(M& module, Optimizer<float>& optimizer, const Loss& loss) {
  Tape<Tensor<float>> tape;
  const auto value = loss(tape);
  tape.backward(value);
  Gradients<float> gradients;
  gradients.add(module, tape);
  optimizer.step(module, gradients);
  return static_cast<double>(value.value().item());
}

Entry gpt(), unet(), dit(), dcgan(), vae(), vqvae(), realnvp(), wavenet(), mlp();

}  // namespace steps
