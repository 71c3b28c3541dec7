// The laws of the transformer from one sequence to another.
#include <tessera/autoregressive/seq2seq_decoder.hpp>

#include "tests/autoregressive/seq2seq_laws.hpp"

using namespace tessera;
using namespace tessera::testing;

namespace {

Seq2Seq<float> network() {
  Rng rng(1);
  return shaken(Seq2Seq<float>({.source_units = 12,
                                .target_units = 15,
                                .source_length = 32,
                                .target_length = 20,
                                .width = 48,
                                .heads = 4,
                                .layers = 2},
                               rng));
}

}  // namespace

TEST_CASE("every parameter of a Seq2Seq has the gradient of finite differences", "[autoregressive]") {
  Rng rng(2);
  Seq2Seq<double> net({.source_units = 5,
                       .target_units = 6,
                       .source_length = 4,
                       .target_length = 3,
                       .width = 8,
                       .heads = 2,
                       .layers = 2},
                      rng);
  const auto source = Tensor<std::int32_t>::from({2, 4}, {1, 2, 3, 4, 4, 3, 0, 0});
  const auto target = Tensor<std::int32_t>::from({2, 3}, {0, 1, 2, 0, 5, 4});
  check_module(net, [&](const auto& m, auto& tape) { return m(tape.ids(source), tape.ids(target)); });
}

TEST_CASE("a padded pair of a Seq2Seq has the bits it has alone", "[autoregressive]") { check_padding(network()); }

TEST_CASE("no logit of a Seq2Seq depends on later units, every one on the source", "[autoregressive]") {
  check_causality(network());
}

TEST_CASE("cached generation of a Seq2Seq has the bits of the forward pass", "[autoregressive]") {
  const Seq2Seq<float> net = network();
  check_cache(net, Seq2SeqDecoder(net));
}

TEST_CASE("a Seq2Seq forks, draws, searches and refuses what it cannot read", "[autoregressive]") {
  const Seq2SeqDecoder model(network());
  check_generation(model);
  auto state = model.begin({sources[0]});
  for (int i = 0; i < 19; ++i) model.next(state, 1);
  CHECK_THROWS_AS(model.next(state, 1), argument_error);  // 20 positions, the beginning is one
  CHECK(state.length() == 19);
}

TEST_CASE("dropout in training depends on the noise alone, and none is the plain pass", "[autoregressive]") {
  const Seq2Seq<float> net = network();
  const Seq2SeqBatch all(sources, targets);
  const auto pass = [&](double share, std::uint64_t seed) {
    Dropout drop(share, Noise{seed});
    return net(all.source, all.read, drop);
  };
  CHECK(same(pass(0, 1).span(), net(all.source, all.read).span()));
  CHECK(same(pass(0.1, 1).span(), pass(0.1, 1).span()));
  CHECK_FALSE(same(pass(0.1, 1).span(), pass(0.1, 2).span()));
}

TEST_CASE("configurations and batches that cannot work are refused", "[autoregressive]") {
  Rng rng(1);
  CHECK_THROWS_AS(Seq2Seq<float>({.width = 10, .heads = 4}, rng), argument_error);
  CHECK_THROWS_AS(Seq2Seq<float>({.source_units = 1}, rng), argument_error);
  CHECK_THROWS_AS(Seq2SeqBatch({sources.data(), 2}, {targets.data(), 1}), argument_error);
  const Seq2SeqBatch pair({sources.data(), 2}, {targets.data(), 2});
  CHECK(pair.read.shape() == Shape{2, 8});
  CHECK(pair.wanted[7] == seq2seq::end);
  CHECK(pair.wanted[8 + 3] == seq2seq::end);
  CHECK(pair.wanted[8 + 4] == seq2seq::ignored);
  CHECK_THROWS_AS(network()(pair.source, padded(std::vector<Units>(2, Units(21, 1)), 0)), shape_error);
}
