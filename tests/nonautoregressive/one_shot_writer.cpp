// Writing in one pass: a batch is its items, lengths are ranked by probability, a run is one step, draws differ by noise alone.
#include <cstring>
#include <tessera/nonautoregressive/one_shot_writer.hpp>

#include "tests/support/generator.hpp"
#include "tests/support/nudge.hpp"

using namespace tessera;
using Row = std::vector<std::int32_t>;

namespace {

OneShotText<float> network(OneShotKind kind) {
  Rng rng(2);
  OneShotText<float> net({.kind = kind,
                          .source_units = 9,
                          .target_units = 7,
                          .source_length = 20,
                          .target_length = 24,
                          .width = 32,
                          .heads = 4,
                          .layers = 2},
                         rng);
  testing::nudge(net, 0.2, rng);
  return net;
}
constexpr OneShotKind kinds[] = {OneShotKind::length, OneShotKind::fixed, OneShotKind::ctc};
const std::vector<Row> sources = {
    {1, 2, 3}, {8, 7, 6, 5, 4, 3, 2, 1, 8, 8, 1, 2, 3, 4, 5, 6, 7}, {4}, {2, 2, 5, 1, 3, 3, 8}};

}  // namespace

TEST_CASE("an answer in a batch has the bits it has alone", "[nonautoregressive]") {
  const std::vector<Noise> noises = {Noise{1}, Noise{2}, Noise{3}, Noise{4}};
  for (const OneShotKind kind : kinds) {
    for (const double temperature : {0.0, 1.0}) {
      const OneShotWriter write(network(kind), {.choice = {.temperature = temperature}, .lengths = 3});
      const auto together = write(sources, noises);
      for (std::size_t i = 0; i < sources.size(); ++i) {
        const auto alone = write({&sources[i], 1}, {&noises[i], 1})[0];
        REQUIRE(alone.size() == together[i].size());
        REQUIRE(alone.size() == (kind == OneShotKind::length ? 3 : 1));
        for (std::size_t k = 0; k < alone.size(); ++k) {
          CHECK(alone[k].units == together[i][k].units);
          CHECK(alone[k].log_probability == together[i][k].log_probability);
          if (k > 0) CHECK(alone[k].log_probability <= alone[k - 1].log_probability);
        }
      }
    }
  }
}

TEST_CASE("each kind cuts and merges what its places say", "[nonautoregressive]") {
  const Noise noise{1};
  for (const Row& s : sources) {
    for (const OneShotKind kind : kinds) {
      const OneShotText<float> net = network(kind);
      const Row units = OneShotWriter(net)({&s, 1}, {&noise, 1})[0][0].units;
      Dropout none;
      const auto memory = net.read(padded({&s, 1}, 0), none);
      const auto answer = [&](Index places) {
        const Tensor<float> logits =
            net.answer(memory, Tensor<std::int32_t>({1}, static_cast<std::int32_t>(places)), none);
        Row row;
        for (Index p = 0; p < places; ++p) {
          std::int32_t best = 0;
          for (std::int32_t v = 1; v < 7; ++v) best = logits[p * 7 + v] > logits[p * 7 + best] ? v : best;
          row.push_back(best);
        }
        return row;
      };
      if (kind == OneShotKind::length) {
        const Tensor<float> lengths = net.lengths(memory);
        Index best = 1;
        for (Index n = 2; n <= 24; ++n) best = lengths[n] > lengths[best] ? n : best;
        CHECK(units == answer(best));
      } else if (kind == OneShotKind::fixed) {
        Row row = answer(24);
        for (std::size_t i = 0; i < row.size(); ++i) {
          if (row[i] == 0) row.resize(i);
        }
        CHECK(units == row);
      } else {
        CHECK(units == ctc_collapse(answer(2 * static_cast<Index>(s.size()))));
      }
    }
  }
}

TEST_CASE("a one-shot run obeys the laws of generation in its one step", "[nonautoregressive]") {
  for (const OneShotKind kind : kinds) {
    const OneShotWriter write(network(kind), {.choice = {.temperature = 1}});
    testing::check_generator(write, sources[1], Noise{5});
    CHECK_FALSE(same_bytes(generate(write, sources[1], Noise{5}), generate(write, sources[1], Noise{6})));
  }
}

TEST_CASE("sources and options that cannot be used are refused", "[nonautoregressive]") {
  const OneShotWriter write(network(OneShotKind::length));
  const Noise noise{1};
  for (const Row& bad : {Row{}, Row{1, 0, 2}, Row{9}, Row(21, 1)})
    CHECK_THROWS_AS(write({&bad, 1}, {&noise, 1}), argument_error);
  CHECK_THROWS_AS(write(sources, {&noise, 1}), argument_error);
  CHECK(write({}, {}).empty());
  CHECK_THROWS_AS(OneShotWriter(network(OneShotKind::length), {.lengths = 25}), argument_error);
  CHECK_THROWS_AS(OneShotWriter(network(OneShotKind::ctc), {.choice = {.temperature = -1}}), argument_error);
}
