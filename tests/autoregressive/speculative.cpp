#include <tessera/autoregressive/gpt_decoder.hpp>
#include <tessera/autoregressive/speculative.hpp>
#include <tessera/autoregressive/speculative_file.hpp>
#include <tessera/generate/sequence.hpp>

#include "tests/generate/markov.hpp"
#include "tests/io/hostile.hpp"
#include "tests/io/scratch.hpp"
#include "tests/support/generator.hpp"
#include "tests/support/nudge.hpp"

using namespace tessera;
using tessera::testing::Markov;
using Units = std::vector<Unit>;

namespace {

struct Speculating {
  Markov target, draft;
  SpeculativeOptions options;
  SpeculativeRun<Markov, Markov> begin(const Units& prompt, const Noise& noise) const {
    return {target, draft, prompt, noise, options};
  }
};

/// The chance of three units after a prompt, by the chain rule, under temperature 0.8 and top-3.
double chance(const Markov& m, const Units& prompt, const Units& next, const ChoiceOptions& o) {
  Chooser choose(o);
  Units seen = prompt;
  double p = 1;
  for (const Unit u : next) {
    const auto state = m.begin(seen);
    Candidates& c = choose.distribution(state.logits(), seen, Noise{0});
    const auto q = c.probabilities();
    double here = 0;
    for (std::size_t i = 0; i < q.size(); ++i) here += c.units()[i] == u ? static_cast<double>(q[i]) : 0;
    p *= here;
    seen.push_back(u);
  }
  return p;
}

}  // namespace

TEST_CASE("speculation draws from the target's own distribution", "[autoregressive]") {
  // The draft is another chain altogether: few of its guesses are good. Counts of all sequences of 3 against their chances.
  const Markov target{.units = 4, .seed = 1, .spread = 3}, draft{.units = 4, .seed = 2, .spread = 3};
  const ChoiceOptions choice{.temperature = 0.8, .top_k = 3};
  const Units prompt = {1, 2};
  for (const Index ahead : {1, 2, 5}) {
    std::vector<double> count(64, 0.0);
    constexpr int n = 30000;
    Index kept = 0, proposed = 0;
    for (int i = 0; i < n; ++i) {
      SpeculativeRun<Markov, Markov> run(target, draft, prompt, Noise{77}.fork(static_cast<std::uint64_t>(i)),
                                         {.length = 3, .ahead = ahead, .choice = choice});
      run.finish();
      const auto u = run.units();
      REQUIRE(u.size() == 3);
      ++count[static_cast<std::size_t>(u[0] * 16 + u[1] * 4 + u[2])];
      kept += run.kept();
      proposed += run.proposed();
    }
    double chi = 0;
    int cells = 0;
    for (Unit a = 0; a < 4; ++a) {
      for (Unit b = 0; b < 4; ++b) {
        for (Unit c = 0; c < 4; ++c) {
          const double wanted = n * chance(target, prompt, {a, b, c}, choice),
                       got = count[static_cast<std::size_t>(a * 16 + b * 4 + c)];
          if (wanted == 0) {
            CHECK(got == 0);
            continue;
          }
          chi += (got - wanted) * (got - wanted) / wanted;
          ++cells;
        }
      }
    }
    CHECK(cells == 27);
    CHECK(chi < 54);  // 26 degrees of freedom: 0.1 %
    CHECK(kept > 0);
    CHECK(kept < proposed);
  }
}

TEST_CASE("a draft that is the target is always right", "[autoregressive]") {
  const Markov model;
  SpeculativeRun<Markov, Markov> run(model, model, {1}, Noise{3}, {.length = 50, .ahead = 7});
  run.finish();
  CHECK(run.kept() == run.proposed());
}

TEST_CASE("speculation obeys the laws of generation, and ends where it should", "[autoregressive]") {
  const Markov target, draft{.seed = 9};
  testing::check_generator(Speculating{target, draft, {.length = 11, .ahead = 3}}, Units{1}, Noise{5});
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SpeculativeRun<Markov, Markov> run(target, draft, {1}, Noise{seed}, {.length = 60, .ahead = 4, .end = {0}});
    run.finish();
    const auto u = run.units();
    for (std::size_t i = 0; i + 1 < u.size(); ++i) REQUIRE(u[i] != 0);
    CHECK((u.back() == 0 || u.size() == 60));
  }
  CHECK_THROWS_AS((SpeculativeRun<Markov, Markov>(target, {.units = 6}, {1}, Noise{1}, {})), argument_error);
  CHECK_THROWS_AS((SpeculativeRun<Markov, Markov>(target, draft, {1}, Noise{1}, {.choice = {.mirostat = 2}})),
                  argument_error);
}

TEST_CASE("greedy speculation writes what the target alone writes, past the context too", "[autoregressive]") {
  const auto net = [](Index width, std::uint64_t seed) {
    Rng rng(seed);
    Gpt<float> g({.vocabulary = 20, .context = 24, .layers = 2, .heads = 2, .width = width}, rng);
    testing::nudge(g, 0.2, rng);
    return g;
  };
  const GptDecoder target(net(32, 1)), draft(net(16, 2));
  const Units prompt = {1, 2, 3};
  auto alone = begin_sequence(target, prompt, Noise{0}, {.length = 70, .choice = {.temperature = 0}});
  for (const Index ahead : {1, 3, 6}) {
    SpeculativeRun<GptDecoder, GptDecoder> run(target, draft, prompt, Noise{0},
                                               {.length = 70, .ahead = ahead, .choice = {.temperature = 0}});
    CHECK(same_bytes(run.finish(), alone.finish()));
  }
}

TEST_CASE("a speculative run goes on from its file, from any unit", "[autoregressive]") {
  const test::Scratch folder;
  const std::string path = folder / "run.safetensors";
  const auto net = [](Index width, std::uint64_t seed) {
    Rng rng(seed);
    Gpt<float> g({.vocabulary = 20, .context = 24, .layers = 2, .heads = 2, .width = width}, rng);
    testing::nudge(g, 0.2, rng);
    return g;
  };
  const GptDecoder target(net(32, 1)), draft(net(16, 2));
  const SpeculativeOptions options{.length = 40, .ahead = 3, .choice = {.temperature = 0.9, .top_k = 8}};
  for (const int steps : {0, 1, 2, 3, 7, 29, 40}) {
    SpeculativeRun<GptDecoder, GptDecoder> run(target, draft, {1, 2, 3}, Noise{4}, options);
    for (int i = 0; i < steps; ++i) run.step();
    write_speculation(path, run);
    auto again = read_speculation(path, target, draft);
    CHECK(again.at() == steps);
    CHECK(again.prompt().size() == 3);
    CHECK(same_bytes(again.preview(), run.preview()));
    CHECK(same_bytes(again.finish(), run.finish()));
    CHECK(again.kept() == run.kept());
    CHECK(again.proposed() == run.proposed());
  }
  auto longer = read_speculation(path, target, draft);
  CHECK_THROWS_AS(longer.prolong(39), argument_error);
}

TEST_CASE("files that are no speculative run are refused", "[autoregressive]") {
  const test::Scratch folder;
  const std::string path = folder / "run.safetensors";
  const Markov target, draft{.seed = 9};
  SpeculativeRun<Markov, Markov> run(target, draft, {1, 2}, Noise{5}, {.length = 20});
  for (int i = 0; i < 5; ++i) run.step();
  write_speculation(path, run);
  const auto says = [&](const std::string& words, auto change) {
    Safetensors file = Safetensors::read(path);
    change(file);
    file.write(folder / "bent.safetensors");
    CHECK_THAT(test::io_error_of([&] { read_speculation(folder / "bent.safetensors", target, draft); }),
               Catch::Matchers::Contains(words));
  };
  const auto number = [&](Index i, std::int64_t value) {
    return [=](Safetensors& f) {
      auto numbers = f.get<std::int64_t>("numbers").clone();
      numbers.data()[i] = value;
      f.put("numbers", numbers);
    };
  };
  says("format", [](Safetensors& f) { f.metadata["format"] = "tessera.sequence.1"; });
  says("numbers", [](Safetensors& f) { f.put("numbers", Tensor<std::int64_t>(Shape{6}, 1)); });
  says("units", [](Safetensors& f) { f.put("units", Tensor<Unit>::from({2}, {1, 99})); });
  says("prompt", number(1, -1));
  says("prompt", number(1, 1000));
  says("given", number(2, 1));
  says("given", number(2, 1000));
  says("ahead", number(3, 0));
  says("rounds", number(4, 0));
  says("rounds", number(4, 1000));
  says("proposed", number(5, -1));
  says("kept", number(6, 1000));
}
