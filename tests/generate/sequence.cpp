#include <algorithm>
#include <tessera/generate/beam.hpp>
#include <tessera/generate/grammar_rule.hpp>
#include <tessera/generate/sequence_file.hpp>

#include "tests/generate/markov.hpp"
#include "tests/io/scratch.hpp"
#include "tests/support/generator.hpp"

using namespace tessera;
using tessera::testing::Markov;
using Units = std::vector<Unit>;

TEST_CASE("a sequence obeys the laws of generation", "[generate]") {
  const Markov model;
  testing::check_generator(writer(model, {.length = 12}), Units{1, 2}, Noise{3});
  testing::check_generator(
      writer(model, {.length = 9, .choice = {.temperature = 0.7, .top_p = 0.9, .repetition = 1.3, .mirostat = 2}}),
      Units{}, Noise{4});
}

TEST_CASE("sequences side by side are each what they are alone", "[generate]") {
  const Markov model;
  const std::vector<Units> prompts = {{1}, {2, 3, 4}, {}};
  const std::vector<Noise> noises = {Noise{7}, Noise{8}, Noise{9}};
  const SequenceOptions o{.length = 20, .choice = {.top_k = 4}, .end = {0}};
  SequenceRun<Markov> together(model, prompts, noises, o);
  together.finish();
  bool different_lengths = false;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    auto alone = begin_sequence(model, prompts[i], noises[i], o);
    alone.finish();
    const auto a = alone.units(0), b = together.units(static_cast<Index>(i));
    REQUIRE(Units(a.begin(), a.end()) == Units(b.begin(), b.end()));
    CHECK(alone.log_probability(0) == together.log_probability(static_cast<Index>(i)));
    different_lengths = different_lengths || b.size() != together.units(0).size();
    if (together.ended(static_cast<Index>(i))) CHECK(b.back() == 0);
  }
  CHECK(different_lengths);
  const auto all = together.preview();
  CHECK(all.shape() == Shape{3, together.at()});
}

TEST_CASE("a run goes on from its file as if nothing had been", "[generate]") {
  const Markov model;
  const std::vector<Units> prompts = {{1}, {2, 3, 4}};
  const std::vector<Noise> noises = {Noise{7}, Noise{~std::uint64_t{0}}};
  const SequenceOptions o{.length = 15,
                          .choice = {.temperature = 0.9,
                                     .frequency = 0.1,
                                     .dry = {.multiplier = 1, .breakers = {3}},
                                     .mirostat = 2,
                                     .bias = {{1, -INFINITY}, {2, 0.5f}},
                                     .banned = {4}},
                          .end = {0},
                          .forced = {2, 3}};
  const test::Scratch folder;
  for (const Index stop : {0, 1, 2, 7, 15}) {
    SequenceRun<Markov> run(model, prompts, noises, o);
    while (run.at() < stop && run.step()) {}
    const std::string path = folder / "run.safetensors";
    write_sequence(path, run);
    auto again = read_sequence(path, model);
    REQUIRE(same_bytes(run.preview(), again.preview()));
    REQUIRE(same_bytes(run.finish(), again.finish()));
    CHECK(run.log_probability(0) == again.log_probability(0));
  }
}

TEST_CASE("a run can be prolonged, and is then what it would have been", "[generate]") {
  const Markov model;
  auto run = begin_sequence(model, Units{1, 2}, Noise{7}, {.length = 5});
  auto longer = begin_sequence(model, Units{1, 2}, Noise{7}, {.length = 12});
  run.finish();
  run.prolong(12);
  CHECK(same_bytes(run.finish(), longer.finish()));
  CHECK(Units(run.prompt(0).begin(), run.prompt(0).end()) == Units{1, 2});
  CHECK_THROWS_AS(run.prolong(11), argument_error);
}

TEST_CASE("a broken file of a run is an error", "[generate]") {
  const Markov model;
  auto run = begin_sequence(model, Units{1}, Noise{7}, {.length = 5});
  run.finish();
  const auto good = SequenceFile<Markov>::store(run);
  const auto throws = [&](const auto& spoil) {
    Safetensors file = good;
    spoil(file);
    CHECK_THROWS_AS(SequenceFile<Markov>::restore(file, model, {}, {}, {}), io_error);
  };
  throws([](Safetensors& f) { f.metadata["format"] = "else"; });
  throws([](Safetensors& f) { f.metadata.erase("at"); });
  throws([](Safetensors& f) { f.metadata["at"] = "6"; });
  throws([](Safetensors& f) { f.metadata["at"] = "-1"; });
  throws([](Safetensors& f) { f.metadata["options"] = "{}"; });
  throws([](Safetensors& f) { f.erase("units.0"); });
  throws([](Safetensors& f) { f.put("units.0", Tensor<Unit>::from({5}, {0, 1, 2, 3, 99})); });
  throws([](Safetensors& f) { f.put("units.0", Tensor<Unit>::from({2}, {0, 1})); });
  throws([](Safetensors& f) { f.put("ended", Tensor<std::int64_t>(Shape{3}, 0)); });
  throws([](Safetensors& f) { f.put("prompt.0", Tensor<Unit>::from({1}, {7})); });
  for (const auto& [was, is] : {std::pair{"\"end\": []", "\"end\": [5]"},
                                {"\"forced\": []", "\"forced\": [-1]"},
                                {"\"temperature\": 1.0", "\"temperature\": -1.0"}}) {
    throws([&, was = was, is = is](Safetensors& f) {
      std::string& options = f.metadata["options"];
      const std::size_t at = options.find(was);
      REQUIRE(at != std::string::npos);
      options.replace(at, std::string(was).size(), is);
    });
  }
  // units that the rule refuses
  auto texts = std::make_shared<const UnitTexts>(std::vector<std::string>{"a", "b", "c", "d", "e"});
  auto grammar = std::make_shared<const Grammar>(Grammar::parse("root ::= \"zzzzz\""));
  CHECK_THROWS_AS(
      SequenceFile<Markov>::restore(good, model, {}, {}, Constraint(std::make_unique<GrammarRule>(grammar, texts))),
      io_error);
}

TEST_CASE("units that a model does not have are refused", "[generate]") {
  const Markov model;
  CHECK_THROWS_AS(begin_sequence(model, Units{1}, Noise{7}, {.end = {5}}), argument_error);
  CHECK_THROWS_AS(begin_sequence(model, Units{1}, Noise{7}, {.end = {-1}}), argument_error);
  CHECK_THROWS_AS(begin_sequence(model, Units{1}, Noise{7}, {.forced = {5}}), argument_error);
  CHECK_THROWS_AS(beam_search(model, Units{1}, {.end = {5}}), argument_error);
}

TEST_CASE("forced units come first, and guidance leads away", "[generate]") {
  const Markov model;
  auto run = begin_sequence(model, Units{1}, Noise{7}, {.length = 4, .forced = {3, 3}});
  const auto units = run.finish();
  CHECK(units[0] == 3);
  CHECK(units[1] == 3);

  // greedy under guidance: the greatest of u + s (c - u)
  const std::vector<Units> with = {{1, 2}}, without = {{4, 0}};
  const std::vector<Noise> noise = {Noise{1}};
  SequenceRun<Markov> guided(model, with, noise, {.length = 1, .choice = {.temperature = 0}, .guidance = 3}, without);
  guided.step();
  const auto c = model.row(1, 2), u = model.row(4, 0);
  std::size_t best = 0;
  for (std::size_t i = 0; i < c.size(); ++i) {
    if (u[i] + 3 * (c[i] - u[i]) > u[best] + 3 * (c[best] - u[best])) best = i;
  }
  CHECK(guided.units(0)[0] == static_cast<Unit>(best));
  CHECK_THROWS_AS(SequenceRun<Markov>(model, with, noise, {.guidance = 3}), argument_error);
}

TEST_CASE("a sequence under a grammar is one of the grammar's texts", "[generate]") {
  const Markov model{.units = 6};
  auto texts = std::make_shared<const UnitTexts>(std::vector<std::string>{"a", "b", "(", ")", "ab", ""});
  auto grammar = std::make_shared<const Grammar>(Grammar::parse("root ::= \"(\" [ab]{1,6} \")\""));
  int ended = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Constraint rule(std::make_unique<GrammarRule>(grammar, texts));
    auto run = begin_sequence(model, Units{}, Noise{seed}, {.length = 20, .end = {5}}, rule);
    auto fork = run;
    run.finish();
    std::string text;
    for (const Unit u : run.units(0)) text += (*texts)[u];
    INFO(text);
    GrammarMatcher m(grammar);
    REQUIRE(m.accept(text));
    REQUIRE(m.may_end());
    REQUIRE(run.units(0).back() == 5);
    REQUIRE(same_bytes(fork.finish(), run.preview()));
    ++ended;
  }
  CHECK(ended == 40);
  // without a unit that ends, a text that is whole ends by itself
  auto run = begin_sequence(model, Units{}, Noise{1}, {.length = 20},
                            Constraint(std::make_unique<GrammarRule>(grammar, texts)));
  run.finish();
  CHECK(run.ended(0));
  CHECK(run.units(0).back() == 3);
}

namespace {
/// Every sequence of a length and its log-probability, the best first.
std::vector<Beam> all_sequences(const Markov& model, const Units& prompt, std::size_t length, double alpha, Unit end) {
  std::vector<Beam> found;
  const auto visit = [&](const auto& self, const Beam& b) -> void {
    if (b.units.size() == length || (!b.units.empty() && b.units.back() == end)) {
      Beam done = b;
      done.score = b.log_probability / std::pow((5 + static_cast<double>(b.units.size())) / 6, alpha);
      found.push_back(done);
      return;
    }
    Units seen = prompt;
    seen.insert(seen.end(), b.units.begin(), b.units.end());
    const auto state = model.begin(seen);
    double sum = 0;
    for (const float x : state.logits()) sum += std::exp(static_cast<double>(x));
    for (std::size_t u = 0; u < state.row.size(); ++u) {
      Beam next = b;
      next.units.push_back(static_cast<Unit>(u));
      next.log_probability += static_cast<double>(state.row[u]) - std::log(sum);
      self(self, next);
    }
  };
  visit(visit, {});
  std::stable_sort(found.begin(), found.end(), [](const Beam& a, const Beam& b) { return a.score > b.score; });
  return found;
}
}  // namespace

TEST_CASE("a beam as wide as the tree finds the best sequences", "[generate]") {
  const Markov model{.units = 4, .seed = 5, .spread = 3};
  const auto wanted = all_sequences(model, {1}, 4, 0.6, 0);
  const auto found = beam_search(model, Units{1}, {.width = 64, .length = 4, .end = {0}});
  for (std::size_t i = 0; i < 10; ++i) {
    INFO(i);
    CHECK(found[i].units == wanted[i].units);
    CHECK(found[i].score == Approx(wanted[i].score).epsilon(1e-5));
  }
  const auto greedy = beam_search(model, Units{1}, {.width = 1, .length = 6, .alpha = 0});
  auto run = begin_sequence(model, Units{1}, Noise{0}, {.length = 6, .choice = {.temperature = 0}});
  run.finish();
  CHECK(greedy.front().units == Units(run.units(0).begin(), run.units(0).end()));
  CHECK(beam_search(model, Units{1}, {.width = 8, .length = 6}).front().log_probability >=
        greedy.front().log_probability);
  CHECK_THROWS_AS(beam_search(model, Units{1}, {.width = 0}), argument_error);
}

TEST_CASE("a beam follows a constraint", "[generate]") {
  const Markov model{.units = 4};
  auto texts = std::make_shared<const UnitTexts>(std::vector<std::string>{"a", "b", "c", "d"});
  auto grammar = std::make_shared<const Grammar>(Grammar::parse("root ::= \"ab\" | \"cad\""));
  const auto found =
      beam_search(model, Units{}, {.width = 4, .length = 8}, Constraint(std::make_unique<GrammarRule>(grammar, texts)));
  REQUIRE(found.size() == 2);
  for (const Beam& b : found) CHECK((b.units == Units{0, 1} || b.units == Units{2, 0, 3}));
  CHECK(found[0].ended);

  // no unit writes "z": what leads there is no text of the grammar
  const auto under = [&](const char* text) {
    return beam_search(
        model, Units{}, {.width = 4, .length = 8},
        Constraint(std::make_unique<GrammarRule>(std::make_shared<const Grammar>(Grammar::parse(text)), texts)));
  };
  const auto one = under("root ::= \"az\" | \"cab\"");
  REQUIRE(one.size() == 1);
  CHECK(one[0].units == Units{2, 0, 1});
  const auto none = under("root ::= \"az\"");
  REQUIRE(none.size() == 1);
  CHECK_FALSE(none[0].ended);
}
