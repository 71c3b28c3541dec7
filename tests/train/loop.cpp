#include <tessera/train/loop.hpp>

#include <csignal>
#include <fstream>

#include <tessera/train/interrupt.hpp>
#include <tessera/train/sampler.hpp>
#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"
#include "tests/train/support.hpp"

using namespace tessera;
using Catch::Matchers::Contains;
using test::Net;
using test::same_tensors;

namespace {

constexpr Index count = 48;

/// Ten random inputs an item, and a smooth function of two of them.
struct Data {
  Tensor<float> x = Noise{5}.normal<float>({count, 10});
  Tensor<float> y = Tensor<float>(Shape{count, 1});
  Data() {
    float* to = y.data();
    for (Index i = 0; i < count; ++i) to[i] = std::sin(x[i * 10]) * x[i * 10 + 1];
  }
  Tensor<float> rows(const Tensor<float>& from, const Tensor<Index>& which) const {
    const Index width = from.cols();
    Tensor<float> out(Shape{which.size(), width});
    for (Index i = 0; i < which.size(); ++i) {
      for (Index j = 0; j < width; ++j) out.data()[i * width + j] = from[which[i] * width + j];
    }
    return out;
  }
};

Net<float> fresh() {
  Rng rng(3);
  return Net<float>(10, 16, rng);
}

/// The loss used throughout: batches by position, dropout by noise, nothing of its own that changes.
auto loss_on(const Data& data, double drop) {
  return [&data, batches = EpochSampler(count, 7, 11), drop](auto& tape, const auto& net, const TrainStep& at) mutable {
    const Tensor<Index> which = batches(at.batch);
    return mse(net(tape.constant(data.rows(data.x, which)), drop, at.noise), data.rows(data.y, which));
  };
}

TrainConfig thorough(const std::string& folder) {
  TrainConfig c;
  c.steps = 40;
  c.accumulate = 2;
  c.clip_norm = 0.5;
  c.ema_decay = 0.99;
  c.schedule = {.decay = Decay::cosine, .warmup = 5, .total = 40};
  c.seed = 17;
  c.checkpoint = folder;
  return c;
}

const OptimizerConfig kinds[] = {adamw(1e-2, 0.1), adam(1e-2), sgd(1e-1, 0.9, true), lion(1e-3)};

}  // namespace

TEST_CASE("stopping and resuming equals an uninterrupted run bit for bit", "[train]") {
  const Data data;
  for (const OptimizerConfig& kind : kinds) {
    const test::Scratch whole, halves;
    Net<float> a = fresh();
    const auto straight = train(a, loss_on(data, 0.2), kind, thorough(whole.path()));
    REQUIRE(straight.end == TrainEnd::finished);

    Net<float> b = fresh();
    const auto first = train(b, loss_on(data, 0.2), kind, thorough(halves.path()), [](const TrainProgress& p) {
      enum class Advice { proceed, stop };
      return p.step == 20 ? Advice::stop : Advice::proceed;
    });
    CHECK(first.end == TrainEnd::stopped);
    CHECK(first.step == 20);
    Rng other(99);
    Net<float> c(10, 16, other);  // another start: everything must come from the file
    const auto second = train(c, loss_on(data, 0.2), kind, thorough(halves.path()));
    CHECK(second.resumed.step == 20);
    CHECK(second.resumed.notes.empty());
    CHECK(same_tensors(a, c));
    CHECK(same_tensors(*straight.average, *second.average));
    CHECK(same_bytes(straight.history, second.history));
    CHECK(straight.loss == second.loss);

    // And the next checkpoint is the same file but for the time it took.
    Safetensors x = Safetensors::read(whole / "step-000000040.safetensors");
    Safetensors y = Safetensors::read(halves / "step-000000040.safetensors");
    for (Safetensors* f : {&x, &y}) {
      f->metadata.erase("milliseconds");
      f->metadata.erase("checksum");
    }
    CHECK(x.encode() == y.encode());
  }
}

TEST_CASE("accumulating parts equals one large batch", "[train]") {
  const Data data;
  const auto learn = [&](Index accumulate, double clip_value) {
    Rng rng(3);
    Net<double> net(10, 16, rng);
    TrainConfig c;
    c.steps = 5;
    c.accumulate = accumulate;
    c.clip_norm = 0.3;
    c.clip_value = clip_value;
    train(
        net,
        [&](auto& tape, const auto& n, const TrainStep& at) {
          CHECK(at.batch == at.step * accumulate + at.part);
          const Index rows = 24 / accumulate;
          const Index first = at.part * rows;
          Tensor<double> x(Shape{rows, 10}), y(Shape{rows, 1});
          for (Index i = 0; i < rows * 10; ++i) x.data()[i] = static_cast<double>(data.x[first * 10 + i]);
          for (Index i = 0; i < rows; ++i) y.data()[i] = static_cast<double>(data.y[first + i]);
          return mse(n(tape.constant(x)), y);
        },
        adamw(1e-2), c);
    return net;
  };
  for (const double clip_value : {0.0, 0.05}) {
    const Net<double> a = learn(1, clip_value), b = learn(4, clip_value);
    for (Index i = 0; i < a.hidden.weight.value.size(); ++i)
      CHECK(a.hidden.weight.value[i] == Approx(b.hidden.weight.value[i]).epsilon(1e-9).margin(1e-12));
  }
}

TEST_CASE("the average, the clipped norm and the schedule are what the observer is told", "[train]") {
  const Data data;
  Net<float> net = fresh();
  TrainConfig c = thorough("");
  c.steps = 12;
  c.items = 14;
  c.schedule.total = 0;  // then it ends where the run ends
  Index calls = 0;
  double smooth = 0;
  const auto result = train(net, loss_on(data, 0), adamw(1e-2), c, [&](const TrainProgress& p) {
    CHECK(p.step == ++calls);
    CHECK(p.steps == 12);
    CHECK(p.gradient_norm > 0);
    CHECK(p.rate == Approx(1e-2 * Schedule{.decay = Decay::cosine, .warmup = 5, .total = 12}(p.step - 1)));
    CHECK(p.items_per_second == Approx(14 * p.steps_per_second));
    CHECK_FALSE(p.saved);
    smooth = 0.99 * smooth + 0.01 * p.loss;
    CHECK(p.smoothed == Approx(smooth / (1 - std::pow(0.99, static_cast<double>(p.step)))));
  });
  CHECK(calls == 12);
  CHECK(result.end == TrainEnd::finished);
  CHECK(result.history.shape() == Shape{12});
  CHECK(result.average.has_value());
  CHECK_FALSE(same_tensors(net, *result.average));
}

TEST_CASE("a run that is told to end saves and says so", "[train]") {
  const Data data;
  const test::Scratch scratch;
  {
    Interrupt interrupt;
    Net<float> net = fresh();
    const auto result = train(
        net, loss_on(data, 0), adamw(1e-2), thorough(scratch.path()),
        [&](const TrainProgress& p) {
          if (p.step == 7) std::raise(SIGTERM);
        },
        interrupt);
    CHECK(result.end == TrainEnd::interrupted);
    CHECK(result.step == 7);
    CHECK(interrupt.requested());
    CHECK_THROWS_AS(Interrupt(), argument_error);
  }
  {
    Interrupt interrupt;  // the flag starts anew
    CHECK_FALSE(interrupt.requested());
    Net<float> net = fresh();
    const auto result = train(
        net, loss_on(data, 0), adamw(1e-2), thorough(scratch.path()), [](const TrainProgress&) {}, interrupt);
    CHECK(result.resumed.step == 7);
    CHECK(result.end == TrainEnd::finished);
  }
}

TEST_CASE("the handlers that were there come back", "[train]") {
  struct sigaction mine {
  }, seen{};
  mine.sa_handler = [](int) {};
  struct sigaction before {};
  ::sigaction(SIGINT, &mine, &before);
  { Interrupt interrupt; }
  ::sigaction(SIGINT, &before, &seen);
  CHECK(seen.sa_handler == mine.sa_handler);
}

TEST_CASE("checkpoints come every so many steps, and the last few stay", "[train]") {
  const Data data;
  const test::Scratch scratch;
  Net<float> net = fresh();
  TrainConfig c = thorough(scratch.path());
  c.checkpoint_every = 6;
  c.keep = 2;
  Index saved = 0;
  train(net, loss_on(data, 0), adamw(1e-2), c, [&](const TrainProgress& p) {
    CHECK(p.saved == (p.step % 6 == 0));
    saved += p.saved;
  });
  CHECK(saved == 6);
  CHECK(CheckpointFolder(scratch.path(), 2).steps() == std::vector<Index>{36, 40});

  // Nothing left to do: the module is filled from the file.
  Net<float> again = fresh();
  const auto result = train(again, loss_on(data, 0), adamw(1e-2), c);
  CHECK(result.resumed.step == 40);
  CHECK(same_tensors(net, again));

  Net<float> timed = fresh();
  const test::Scratch other;
  c = thorough(other.path());
  c.checkpoint_seconds = 0;  // after each step
  c.steps = 5;
  train(timed, loss_on(data, 0), adamw(1e-2), c);
  CHECK(CheckpointFolder(other.path(), 3).steps() == std::vector<Index>{3, 4, 5});
}

TEST_CASE("a broken newest checkpoint is told and the run goes on from the one before", "[train]") {
  const Data data;
  const test::Scratch scratch;
  Net<float> net = fresh();
  TrainConfig c = thorough(scratch.path());
  c.checkpoint_every = 10;
  train(net, loss_on(data, 0.2), adamw(1e-2), c);
  const std::string newest = scratch / "step-000000040.safetensors";
  Bytes bytes = read_file(newest);
  bytes.resize(bytes.size() / 2);
  write_file(newest, bytes);
  Net<float> again = fresh();
  const auto result = train(again, loss_on(data, 0.2), adamw(1e-2), c);
  CHECK(result.resumed.step == 30);
  REQUIRE(result.resumed.notes.size() == 1);
  CHECK_THAT(result.resumed.notes[0], Contains("step-000000040"));
  CHECK(same_tensors(net, again));

  for (const std::string& name : scratch.names()) write_file(scratch / name, "nothing");
  CHECK_THROWS_WITH(train(again, loss_on(data, 0.2), adamw(1e-2), c), Contains("no checkpoint") && Contains("whole"));
}

TEST_CASE("another model's checkpoint is refused and changes nothing", "[train]") {
  const Data data;
  const test::Scratch scratch;
  Net<float> net = fresh();
  train(net, loss_on(data, 0), adamw(1e-2), thorough(scratch.path()));
  Rng rng(1);
  Net<float> wider(10, 17, rng);
  const Tensor<float> before = wider.in.weight.value.clone();
  CHECK_THROWS_AS(train(wider, loss_on(data, 0), adamw(1e-2), thorough(scratch.path())), io_error);
  CHECK(same_bytes(before, wider.in.weight.value));
  Net<float> same = fresh();
  CHECK_THROWS_WITH(train(same, loss_on(data, 0), sgd(1e-2), thorough(scratch.path())),
                    Contains("the state of sgd") && Contains("adamw"));
  CHECK(same_tensors(same, fresh()));
  TrainConfig anew = thorough(scratch.path());
  anew.resume = false;
  CHECK_THROWS_WITH(train(same, loss_on(data, 0), adamw(1e-2), anew), Contains("without checkpoints"));
}

TEST_CASE("settings that differ from the checkpoint's are noted, and the program's count", "[train]") {
  const Data data;
  const test::Scratch scratch;
  Net<float> net = fresh();
  TrainConfig c = thorough(scratch.path());
  c.extras = {{"epoch", "three"}, {"字", "two\nlines"}};
  train(net, loss_on(data, 0), adamw(1e-2), c);
  c.steps = 41;
  c.seed = 18;
  c.ema_decay = 0;
  c.extras = {};
  Trainer trainer(net, adamw(1e-3), c);
  const Resumed resumed = trainer.resume();
  CHECK(resumed.notes.size() == 3);  // the rate, the noise, the average; the schedule has a total of its own
  CHECK(trainer.extras() == std::map<std::string, std::string>{{"epoch", "three"}, {"字", "two\nlines"}});
  trainer.step(loss_on(data, 0));
  CHECK(trainer.progress().rate == 0);  // the cosine's end
  CHECK(trainer.average() == nullptr);
}

TEST_CASE("NaN stops a run with the tensor's name and leaves everything as it was", "[train]") {
  const Data data;
  const test::Scratch scratch;
  Net<float> net = fresh();
  TrainConfig c = thorough(scratch.path());
  c.accumulate = 1;
  Trainer trainer(net, adamw(1e-2), c);
  trainer.step(loss_on(data, 0));
  const Tensor<float> before = net.in.weight.value.clone();

  // a gradient that overflows while the loss does not
  const auto steep = [](auto& tape, const auto& n, const TrainStep&) {
    const auto x = tape.constant(Tensor<float>(Shape{1, 10}, 1e-3f));
    const auto y = sqrt(lift(x, n.unused) * 0.0f);  // 0, with an infinite slope
    return mean(y) + mean(n(x));
  };
  CHECK_THROWS_WITH(trainer.step(steep), Contains("unused"));
  // data that is not a number: every gradient is bad, the first is named
  const auto poisoned = [](auto& tape, const auto& n, const TrainStep&) {
    return mean(n(tape.constant(Tensor<float>(Shape{1, 10}, NAN))));
  };
  CHECK_THROWS_WITH(trainer.step(poisoned), Contains("step 1") && Contains("loss is") && Contains("in.weight"));
  CHECK_THROWS_AS(trainer.step(poisoned), number_error);
  CHECK(same_bytes(net.in.weight.value, before));
  CHECK(trainer.steps_done() == 1);
  trainer.step(loss_on(data, 0));  // and goes on

  // weights that are not: the loss says which, and no checkpoint is made of them
  net.out.bias->value.data()[0] = INFINITY;
  CHECK_THROWS_WITH(trainer.step(loss_on(data, 0)), Contains("out.bias"));
  CHECK_THROWS_WITH(trainer.save(), Contains("out.bias"));
  CHECK(scratch.names().empty());
}

TEST_CASE("after NaN the last good checkpoint is there, and a run goes on from it", "[train]") {
  const Data data;
  const test::Scratch scratch;
  Net<float> net = fresh();
  TrainConfig c = thorough(scratch.path());
  c.accumulate = 1;
  Trainer trainer(net, adamw(1e-2), c);
  for (int i = 0; i < 3; ++i) trainer.step(loss_on(data, 0));
  trainer.save();
  const Tensor<float> good = net.in.weight.value.clone();
  net.out.bias->value.data()[0] = NAN;
  CHECK_THROWS_AS(trainer.step(loss_on(data, 0)), number_error);
  CHECK_THROWS_AS(trainer.save(), number_error);

  Net<float> again = fresh();
  Trainer resumed(again, adamw(1e-2), c);
  CHECK(resumed.resume().step == 3);
  CHECK(resumed.steps_done() == 3);
  CHECK(same_bytes(again.in.weight.value, good));
  resumed.step(loss_on(data, 0));
}

TEST_CASE("settings that make no sense are refused", "[train]") {
  Net<float> net = fresh();
  const auto refused = [&](auto change) {
    TrainConfig c;
    change(c);
    CHECK_THROWS_AS(Trainer(net, adamw(1e-3), c), argument_error);
  };
  refused([](TrainConfig& c) { c.steps = -1; });
  refused([](TrainConfig& c) { c.accumulate = 0; });
  refused([](TrainConfig& c) { c.clip_norm = std::nan(""); });
  refused([](TrainConfig& c) { c.ema_decay = 1; });
  refused([](TrainConfig& c) { c.checkpoint_every = -5; });
}
