// What every model from one sequence to another obeys, each law a function over a network and its decoder.
#pragma once

#include <cstring>
#include <tessera/autoregressive/seq2seq_units.hpp>
#include <tessera/generate/beam.hpp>
#include <tessera/generate/sequence.hpp>

#include "tests/support/generator.hpp"
#include "tests/support/gradient.hpp"

namespace tessera::testing {

using Units = std::vector<Unit>;

/// `n` units from 1 to below `count`.
inline Units random_units(Index n, std::uint64_t seed, Index count) {
  Units u;
  for (Index i = 0; i < n; ++i)
    u.push_back(static_cast<Unit>(1 + Noise{seed}.below(count - 1, static_cast<std::uint64_t>(i))));
  return u;
}
inline bool same(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}
/// Weights that matter, biases too.
template <class Net>
Net shaken(Net net) {
  Rng rng(5);
  for_each_parameter(net, [&](const std::string&, auto& p) {
    p.value =
        p.value + init::normal<typename std::remove_cvref_t<decltype(p.value)>::Scalar>(p.value.shape(), 0.15, rng);
  });
  return net;
}

inline const std::vector<Units> sources = {random_units(9, 1, 12), random_units(1, 2, 12), random_units(4, 3, 12),
                                           random_units(17, 4, 12)};
inline const std::vector<Units> targets = {random_units(7, 5, 15), random_units(3, 6, 15), random_units(12, 7, 15),
                                           random_units(1, 8, 15)};

/// Items of a padded batch have the bits they have alone.
template <class Net>
void check_padding(const Net& net) {
  const Seq2SeqBatch all(sources, targets);
  const Tensor<float> together = net(all.source, all.read);
  const Index t = all.read.extent(1), v = together.cols();
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const Seq2SeqBatch one({&sources[i], 1}, {&targets[i], 1});
    const Tensor<float> alone = net(one.source, one.read);
    INFO("pair " << i);
    CHECK(same(alone.span(), together.span().subspan(static_cast<std::size_t>(static_cast<Index>(i) * t * v),
                                                     static_cast<std::size_t>(alone.size()))));
  }
}

/// No logit depends on units of the target after it; all of them depend on the source.
template <class Net>
void check_causality(const Net& net) {
  const Seq2SeqBatch pair({&sources[0], 1}, {&targets[2], 1});
  const Tensor<float> full = net(pair.source, pair.read);
  const auto v = static_cast<std::size_t>(full.cols());
  for (const Index at : {1, 5, 12}) {
    Tensor<std::int32_t> other = pair.read.clone();
    for (Index i = at; i < other.size(); ++i) other.data()[i] = other[i] % 14 + 1;
    const Tensor<float> changed = net(pair.source, other);
    const auto n = static_cast<std::size_t>(at) * v;
    CHECK(same(full.span().first(n), changed.span().first(n)));
    CHECK_FALSE(same(full.span().subspan(n, v), changed.span().subspan(n, v)));
  }
  Tensor<std::int32_t> source = pair.source.clone();
  source.data()[8] = source[8] % 11 + 1;
  CHECK_FALSE(same(full.span().first(v), net(source, pair.read).span().first(v)));
}

/// Cached = uncached, one by one and many side by side.
template <class Net, class Decoder>
void check_cache(const Net& net, const Decoder& model) {
  std::vector<typename Decoder::State> states;
  std::vector<Tensor<float>> full;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const Seq2SeqBatch one({&sources[i], 1}, {&targets[i], 1});
    full.push_back(net(one.source, one.read));
    states.push_back(model.begin({sources[i]}));
    auto alone = states.back();
    const auto row = [&](std::size_t t) {
      const auto v = static_cast<std::size_t>(model.vocabulary());
      return full[i].span().subspan(t * v, v);
    };
    CHECK(same(alone.logits(), row(0)));
    for (std::size_t t = 0; t < targets[i].size(); ++t) {
      model.next(alone, targets[i][t]);
      REQUIRE(same(alone.logits(), row(t + 1)));
    }
  }
  for (std::size_t t = 0; t < 12; ++t) {
    std::vector<typename Decoder::State*> at;
    Units now;
    for (std::size_t i = 0; i < states.size(); ++i) {
      if (t >= targets[i].size()) continue;
      at.push_back(&states[i]);
      now.push_back(targets[i][t]);
    }
    model.next(std::span<typename Decoder::State* const>(at), now);
    for (std::size_t i = 0; i < states.size(); ++i) {
      if (t >= targets[i].size()) continue;
      const auto v = static_cast<std::size_t>(model.vocabulary());
      REQUIRE(same(states[i].logits(), full[i].span().subspan((t + 1) * v, v)));
    }
  }
}

/// A copied state goes its own way; beams, draws and batches of runs work.
template <class Decoder>
void check_generation(const Decoder& model) {
  auto first = model.begin({sources[0]});
  auto fork = first, again = first;
  model.next(first, 1);
  model.next(fork, 2);
  model.next(again, 2);
  CHECK(same(fork.logits(), again.logits()));
  CHECK_FALSE(same(fork.logits(), first.logits()));

  const SequenceOptions options{.length = 10, .end = {seq2seq::end}};
  check_generator(writer(model, options), SourceUnits{sources[2]}, Noise{3});
  std::vector<SourceUnits> conditions;
  std::vector<Noise> noises;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    conditions.push_back({sources[i]});
    noises.push_back(Noise{i});
  }
  SequenceRun<Decoder> together(model, conditions, noises, options);
  while (together.step()) {}
  for (std::size_t i = 0; i < sources.size(); ++i) {
    auto alone = begin_sequence(model, conditions[i], noises[i], options);
    while (alone.step()) {}
    const auto a = alone.units(0), b = together.units(static_cast<Index>(i));
    CHECK(Units(a.begin(), a.end()) == Units(b.begin(), b.end()));
  }

  // A beam of one is the greedy sequence; a wider one finds what is at least as likely.
  const BeamOptions narrow{.width = 1, .length = 10, .alpha = 0, .end = {seq2seq::end}};
  BeamOptions wide = narrow;
  wide.width = 8;
  SequenceOptions greedy = options;
  greedy.choice.temperature = 0;
  auto run = begin_sequence(model, conditions[0], Noise{1}, greedy);
  while (run.step()) {}
  const auto one = beam_search(model, conditions[0], narrow), many = beam_search(model, conditions[0], wide);
  CHECK(one[0].units == Units(run.units(0).begin(), run.units(0).end()));
  CHECK(many.size() == 8);
  CHECK(many[0].log_probability >= one[0].log_probability - 1e-6);

  CHECK_THROWS_AS(model.begin(SourceUnits{}), argument_error);
  CHECK_THROWS_AS(model.begin(SourceUnits{{1, 0, 2}}), argument_error);
  CHECK_THROWS_AS(model.begin(SourceUnits{{1, 12}}), argument_error);
  CHECK_THROWS_AS(model.begin(SourceUnits{random_units(33, 1, 12)}), argument_error);
  CHECK_THROWS_AS(model.next(first, 15), argument_error);
}

}  // namespace tessera::testing
