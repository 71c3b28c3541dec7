// Text in one pass, the network and its loss: gradients, and that the loss is the probability it says.
#include <cmath>
#include <tessera/nonautoregressive/one_shot_loss.hpp>

#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;
using Row = std::vector<std::int32_t>;

namespace {

OneShotText<double> network(OneShotKind kind) {
  Rng rng(2);
  return OneShotText<double>({.kind = kind,
                              .source_units = 5,
                              .target_units = 4,
                              .source_length = 4,
                              .target_length = 4,
                              .width = 8,
                              .heads = 2,
                              .layers = 1},
                             rng);
}
const std::vector<Row> sources = {{1, 2, 3, 4}, {4, 3}};
const std::vector<Row> targets = {{1, 2, 2}, {3}};

}  // namespace

TEST_CASE("every parameter of a OneShotText has the gradient of finite differences", "[nonautoregressive]") {
  for (const OneShotKind kind : {OneShotKind::length, OneShotKind::fixed, OneShotKind::ctc}) {
    OneShotText<double> net = network(kind);
    check_module(net, [&](const auto& m, auto& tape) {
      Dropout none;
      return one_shot_loss(m, tape.ids(padded(sources, 0)), targets, none, 0.1);
    });
  }
}

TEST_CASE("the loss is -log p of all targets, a unit", "[nonautoregressive]") {
  for (const OneShotKind kind : {OneShotKind::length, OneShotKind::fixed, OneShotKind::ctc}) {
    const OneShotText<double> net = network(kind);
    Dropout none;
    double nats = 0, units = 0;
    for (std::size_t i = 0; i < 2; ++i) {
      const auto memory = net.read(padded({&sources[i], 1}, 0), none);
      const auto n = static_cast<std::int32_t>(targets[i].size());
      const auto read = static_cast<Index>(sources[i].size());
      const auto places = static_cast<std::int32_t>(kind == OneShotKind::length ? n : net.places(read));
      const D log_p = log_softmax(net.answer(memory, Tensor<std::int32_t>::from({1}, {places}), none));
      Row said = targets[i];
      if (kind == OneShotKind::fixed) said.push_back(0);
      units += static_cast<double>(said.size());
      if (kind == OneShotKind::ctc) {
        // all rows of units and blanks
        double sum = 0;
        const auto rows = static_cast<std::uint32_t>(1) << (2 * places);  // four units
        for (std::uint32_t r = 0; r < rows; ++r) {
          Row row;
          double log_row = 0;
          for (std::int32_t p = 0; p < places; ++p) {
            row.push_back(static_cast<std::int32_t>(r >> (2 * p) & 3));
            log_row += log_p[p * 4 + row.back()];
          }
          if (ctc_collapse(row) == said) sum += std::exp(log_row);
        }
        nats -= std::log(sum);
      } else {
        for (std::size_t k = 0; k < said.size(); ++k) nats -= log_p[static_cast<Index>(k) * 4 + said[k]];
        if (kind == OneShotKind::length) nats -= log_softmax(net.lengths(memory))[n];
      }
    }
    CHECK(one_shot_loss(net, padded(sources, 0), targets, none).item() == Approx(nats / units).epsilon(1e-9));
  }
}

TEST_CASE("what a OneShotText cannot say is known and refused", "[nonautoregressive]") {
  const OneShotTextConfig length{.kind = OneShotKind::length, .source_length = 4, .target_length = 4};
  OneShotTextConfig fixed = length, ctc = length;
  fixed.kind = OneShotKind::fixed;
  ctc.kind = OneShotKind::ctc;
  CHECK(can_say(length, Row{1}, Row{1, 2, 3, 4}));
  CHECK_FALSE(can_say(length, Row{1}, Row{1, 2, 3, 4, 5}));
  CHECK_FALSE(can_say(fixed, Row{1}, Row{1, 2, 3, 4}));
  CHECK(can_say(fixed, Row{1}, Row{1, 2, 3}));
  CHECK(can_say(ctc, Row{1}, Row{1, 2}));
  CHECK_FALSE(can_say(ctc, Row{1}, Row{1, 1}));
  CHECK_FALSE(can_say(length, Row{}, Row{1}));
  CHECK_FALSE(can_say(length, Row{1, 2, 3, 4, 5}, Row{1}));

  Dropout none;
  const std::vector<Row> source = {{1}}, four = {{1, 2, 3, 1}}, twice = {{1, 1}};
  CHECK_THROWS_AS(one_shot_loss(network(OneShotKind::fixed), padded(source, 0), four, none), argument_error);
  CHECK_THROWS_AS(one_shot_loss(network(OneShotKind::ctc), padded(source, 0), twice, none), argument_error);
  CHECK_THROWS_AS(network(OneShotKind::ctc).lengths(network(OneShotKind::ctc).read(padded(source, 0), none)),
                  argument_error);
  Rng rng(1);
  CHECK_THROWS_AS(OneShotText<double>({.width = 10, .heads = 4}, rng), argument_error);
  CHECK_THROWS_AS(OneShotText<double>({.upsample = 0}, rng), argument_error);
}
