#include "examples/support/twin_file.hpp"

#include <tessera/autodiff/op/loss.hpp>
#include <tessera/nn/linear.hpp>

#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

const TrainConfig config = {.steps = 5, .clip_norm = 0.1, .schedule = {.decay = Decay::cosine, .warmup = 2}};

Linear<float> net_of(std::uint64_t seed) {
  Rng rng(seed);
  return {{.in = 3, .out = 2}, rng};
}
Tensor<float> drawn(const TrainStep& at, std::uint64_t which, Index width) {
  return at.noise.fork(which).normal<float>({4, width});
}

}  // namespace

TEST_CASE("what a twin is told is enough to repeat a training", "[examples]") {
  const test::Scratch scratch;
  auto net = net_of(1);
  net.bias->frozen = true;
  Trainer<Linear<float>> trainer(net, adamw(0.1, 0.5), config);
  TwinFile twin(scratch / "twin", "linear", trainer, {{"dropout", 0}, {"heads", 4}});
  while (trainer.steps_done() < config.steps) {
    trainer.step([&](auto& tape, const auto& with, const TrainStep& at) {
      const Tensor<float> x = drawn(at, 0, 3), y = drawn(at, 1, 2);
      twin.see(at, "x", x);
      twin.see(at, "y", y);
      return mse(with(tape.constant(x)), y);
    });
  }
  twin.write(trainer);

  const Safetensors file = Safetensors::read(scratch / "twin");
  const auto number = [&](const char* name) { return std::stod(file.metadata.at(name)); };
  CHECK(file.metadata.at("network") == "linear");
  CHECK(file.metadata.at("frozen") == "bias ");
  CHECK(number("heads") == 4);
  CHECK(number("seconds") > 0);
  auto again = net_of(2);
  get(file, again, "net");
  freeze(again, file.metadata.at("frozen").substr(0, 4));
  const auto losses = file.get<float>("losses"), rates = file.get<float>("rates");
  REQUIRE(losses.shape() == Shape{config.steps});
  Optimizer<float> optimizer({.rate = 1,
                              .beta1 = number("beta1"),
                              .beta2 = number("beta2"),
                              .epsilon = number("epsilon"),
                              .decay = number("decay")});
  for (Index i = 0; i < config.steps; ++i) {
    const std::string step = std::to_string(i);
    Tape<Tensor<float>> tape;
    const auto loss = mse(again(tape.constant(file.get<float>(step + ".x"))), file.get<float>(step + ".y"));
    CHECK(loss.value().item() == Approx(losses[i]).epsilon(1e-5));  // rates are rounded to floats
    tape.backward(loss);
    Gradients<float> gradients;
    gradients.add(again, tape);
    const double norm = gradients.clip_norm(number("clip_norm"));
    CHECK(norm > config.clip_norm);
    optimizer.step(again, gradients, static_cast<double>(rates[i]));
  }
}

TEST_CASE("a twin is told nothing where none is wanted, and refuses what it could not follow", "[examples]") {
  const test::Scratch scratch;
  auto net = net_of(1);
  Trainer<Linear<float>> trainer(net, adamw(0.1), config);
  TwinFile none("", "linear", trainer, {{"dropout", 0.1}});
  none.write(trainer);
  CHECK(scratch.names().empty());
  CHECK_THROWS_AS(TwinFile(scratch / "twin", "linear", trainer, {{"dropout", 0.1}}), argument_error);
  trainer.step([](auto& tape, const auto& with, const TrainStep& at) {
    return mse(with(tape.constant(drawn(at, 0, 3))), drawn(at, 1, 2));
  });
  CHECK_THROWS_AS(TwinFile(scratch / "twin", "linear", trainer), argument_error);
  Trainer<Linear<float>> other(net, sgd(0.1), config);
  CHECK_THROWS_AS(TwinFile(scratch / "twin", "linear", other), argument_error);
}
