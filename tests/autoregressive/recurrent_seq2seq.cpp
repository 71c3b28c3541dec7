// The laws of the recurrent model from one sequence to another.
#include <tessera/autoregressive/recurrent_seq2seq_decoder.hpp>

#include "tests/autoregressive/seq2seq_laws.hpp"

using namespace tessera;
using namespace tessera::testing;

namespace {

RecurrentSeq2Seq<float> network() {
  Rng rng(1);
  return shaken(
      RecurrentSeq2Seq<float>({.source_units = 12, .target_units = 15, .width = 20, .hidden = 48, .heads = 2}, rng));
}

}  // namespace

TEST_CASE("every parameter of a RecurrentSeq2Seq has the gradient of finite differences", "[autoregressive]") {
  Rng rng(2);
  RecurrentSeq2Seq<double> net({.source_units = 5, .target_units = 6, .width = 6, .hidden = 8}, rng);
  const auto source = Tensor<std::int32_t>::from({2, 4}, {1, 2, 3, 4, 4, 3, 0, 0});
  const auto target = Tensor<std::int32_t>::from({2, 3}, {0, 1, 2, 0, 5, 4});
  check_module(net, [&](const auto& m, auto& tape) { return m(tape.ids(source), tape.ids(target)); });
}

TEST_CASE("a padded pair of a RecurrentSeq2Seq has the bits it has alone", "[autoregressive]") {
  check_padding(network());
}

TEST_CASE("no logit of a RecurrentSeq2Seq depends on later units, every one on the source", "[autoregressive]") {
  check_causality(network());
}

TEST_CASE("generation of a RecurrentSeq2Seq step by step has the bits of the forward pass", "[autoregressive]") {
  const RecurrentSeq2Seq<float> net = network();
  check_cache(net, RecurrentSeq2SeqDecoder(net));
}

TEST_CASE("a RecurrentSeq2Seq forks, draws, searches and refuses what it cannot read", "[autoregressive]") {
  check_generation(RecurrentSeq2SeqDecoder(network()));
  Rng rng(1);
  CHECK_THROWS_AS(RecurrentSeq2Seq<float>({.hidden = 9}, rng), argument_error);
  CHECK_THROWS_AS(RecurrentSeq2Seq<float>({.hidden = 10, .heads = 4}, rng), argument_error);
}
