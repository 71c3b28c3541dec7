#include <tessera/generate/beam.hpp>
#include <tessera/generate/prompt_cache.hpp>
#include <tessera/generate/sequence.hpp>

#include "tests/generate/markov.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using tessera::testing::Markov;
using Units = std::vector<Unit>;

namespace {

/// A chain that counts the units it reads.
struct Counting : Markov {
  std::shared_ptr<Index> read = std::make_shared<Index>(0);

  State begin(const Condition& prompt) const {
    *read += static_cast<Index>(prompt.size());
    return Markov::begin(prompt);
  }
  Tensor<float> extend(State& s, std::span<const Unit> all) const {
    *read += static_cast<Index>(all.size());
    return Markov::extend(s, all);
  }
};

}  // namespace

TEST_CASE("a prompt's kept beginning is not read again, and nothing else changes", "[generate]") {
  const Counting model;
  PromptCache<Counting> cached(model);
  cached.keep({1, 2, 3});
  cached.keep({1, 2, 3, 4, 0});  // reads two more
  cached.keep({1, 2, 3});        // is there
  CHECK(cached.size() == 2);
  CHECK(*model.read == 5);
  for (const auto& [prompt, new_units] :
       {std::pair{Units{1, 2, 3, 4, 0, 2}, 1}, {Units{1, 2, 3, 4, 0}, 0}, {Units{1, 2, 3, 1}, 1}, {Units{2, 2}, 2}}) {
    *model.read = 0;
    const SequenceOptions options{.length = 12, .choice = {.temperature = 0.7, .repetition = 1.4}};
    auto run = begin_sequence(cached, prompt, Noise{3}, options);
    CHECK(*model.read == new_units);
    auto plain = begin_sequence(model, prompt, Noise{3}, options);
    CHECK(same_bytes(run.finish(), plain.finish()));
    CHECK(beam_search(cached, prompt, {.width = 3, .length = 5})[0].units ==
          beam_search(model, prompt, {.width = 3, .length = 5})[0].units);
  }
  cached.clear();
  CHECK(cached.size() == 0);
}
