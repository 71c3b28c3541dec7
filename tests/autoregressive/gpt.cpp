// The laws of a Gpt: gradients, causality, generation equal to the forward pass bit for bit in any portions, alone or beside
// others, forked or not, at any number of threads.
#include <algorithm>
#include <tessera/autoregressive/gpt_decoder.hpp>
#include <tessera/autoregressive/gpt_file.hpp>
#include <tessera/generate/prompt_cache.hpp>
#include <tessera/generate/sequence_file.hpp>

#include "tests/io/scratch.hpp"
#include "tests/support/generator.hpp"
#include "tests/support/gradient.hpp"
#include "tests/support/nudge.hpp"

using namespace tessera;
using Units = std::vector<Unit>;

namespace {

/// A GPT-2, a Llama with an own head, and a Llama with few key heads, a tied head and heads of odd size.
GptConfig config(int kind, Index context = 160) {
  GptConfig c{.vocabulary = 37, .context = context, .layers = 2, .heads = 4, .width = 48};
  if (kind == 0) return c;
  c.positions = GptPositions::rotary;
  c.norm = GptNorm::rms;
  c.mlp = GptMlp::swiglu;
  c.bias = false;
  c.tied = kind == 2;
  c.kv_heads = kind == 2 ? 1 : 2;
  if (kind == 2) c.heads = 8, c.hidden = 50;
  return c;
}
template <class T>
Gpt<T> network(const GptConfig& c, std::uint64_t seed = 1) {
  Rng rng(seed);
  Gpt<T> net(c, rng);
  testing::nudge(net, 0.15, rng);
  return net;
}
Units units(Index n, std::uint64_t seed, Index count = 37) {
  Units u;
  for (Index i = 0; i < n; ++i) u.push_back(static_cast<Unit>(Noise{seed}.below(count, static_cast<std::uint64_t>(i))));
  return u;
}
Tensor<std::int32_t> as_batch(const Units& u) {
  return Tensor<std::int32_t>::from({1, static_cast<Index>(u.size())}, u);
}
bool same(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("every parameter of a Gpt has the gradient of finite differences", "[autoregressive]") {
  for (int kind = 0; kind < 3; ++kind) {
    GptConfig c = config(kind, 8);
    c.vocabulary = 7, c.width = 16, c.heads = 4, c.kv_heads = kind == 2 ? 2 : 0;
    c.hidden = kind == 0 ? 0 : 12;
    Gpt<double> net = network<double>(c);
    const auto ids = Tensor<std::int32_t>::from({2, 4}, {0, 1, 2, 3, 6, 5, 4, 3});
    testing::check_module(net, [&](const auto& m, auto& tape) { return m(tape.ids(ids)); });
  }
}

TEST_CASE("no logit depends on units after it", "[autoregressive]") {
  for (int kind = 0; kind < 3; ++kind) {
    const Gpt<float> net = network<float>(config(kind));
    const Units a = units(100, 3);
    const Tensor<float> full = net(as_batch(a));
    for (const std::size_t at : {1U, 40U, 64U, 99U}) {
      Units b = a;
      for (std::size_t i = at; i < b.size(); ++i) b[i] = (b[i] + 1) % 37;
      const Tensor<float> other = net(as_batch(b));
      CHECK(std::memcmp(full.data(), other.data(), at * 37 * 4) == 0);
      CHECK_FALSE(same(full.span().subspan(at * 37, 37), other.span().subspan(at * 37, 37)));
    }
  }
}

TEST_CASE("cached generation has the bits of the forward pass, in whatever portions", "[autoregressive]") {
  for (int kind = 0; kind < 3; ++kind) {
    const Gpt<float> net = network<float>(config(kind));
    const GptDecoder model(net);
    const Units u = units(150, 4);
    const Tensor<float> full = net(as_batch(u));
    const auto row = [&](std::size_t i) { return full.span().subspan(i * 37, 37); };
    for (const std::size_t prompt : {1U, 2U, 15U, 16U, 63U, 64U, 65U, 130U}) {
      INFO("kind " << kind << ", prompt " << prompt);
      const Units start(u.begin(), u.begin() + static_cast<std::ptrdiff_t>(prompt));
      auto state = model.begin(start);
      bool equal = same(state.logits(), row(prompt - 1));
      Tensor<float> each;
      equal = equal && same(model.begin(start, each).logits(), state.logits()) &&
              same(each.span(), full.span().subspan(0, prompt * 37));
      // one, then three, then twenty, then one by one
      std::size_t at = prompt;
      for (const std::size_t n : {1U, 3U, 20U}) {
        if (at + n > u.size()) break;
        const Tensor<float> logits = model.extend(state, std::span<const Unit>(u).subspan(at, n));
        equal = equal && same(logits.span(), full.span().subspan(at * 37, n * 37));
        at += n;
        equal = equal && same(state.logits(), row(at - 1));
      }
      for (; at < u.size(); ++at) {
        model.next(state, u[at]);
        equal = equal && same(state.logits(), row(at));
      }
      CHECK(equal);
      CHECK(state.units().size() == u.size());
    }
  }
}

TEST_CASE("many sequences in one pass have the bits each has alone", "[autoregressive]") {
  for (int kind = 0; kind < 3; ++kind) {
    const GptDecoder model(network<float>(config(kind)));
    std::vector<GptDecoder::State> together, alone;
    for (const Index length : {1, 70, 5, 33, 64}) {
      together.push_back(model.begin(units(length, 10 + static_cast<std::uint64_t>(length))));
      alone.push_back(together.back());
    }
    std::vector<GptDecoder::State*> pointers;
    for (auto& s : together) pointers.push_back(&s);
    for (std::uint64_t step = 0; step < 6; ++step) {
      const Units now = units(5, 100 + step);
      model.next(std::span<GptDecoder::State* const>(pointers), now);
      for (std::size_t i = 0; i < 5; ++i) {
        model.next(alone[i], now[i]);
        REQUIRE(same(together[i].logits(), alone[i].logits()));
      }
    }
  }
}

TEST_CASE("forks go their own ways, and units can be taken back", "[autoregressive]") {
  const GptDecoder model(network<float>(config(1)));
  const Units u = units(90, 5);
  auto first = model.begin(u);
  auto fork = first;
  model.next(first, 1);
  model.next(fork, 2);
  auto again = model.begin(u);
  model.next(again, 2);
  CHECK(same(fork.logits(), again.logits()));
  CHECK_FALSE(same(fork.logits(), first.logits()));

  auto back = fork;
  model.extend(back, units(50, 6));
  model.rewind(back, 50);
  model.next(back, 7);
  model.next(fork, 7);
  CHECK(same(back.logits(), fork.logits()));
  CHECK(back.cache().length() == fork.cache().length());
  CHECK_THROWS_AS(model.rewind(back, 1000), argument_error);
}

TEST_CASE("a kept prompt has the bits of one that is read whole", "[autoregressive]") {
  for (const Index context : {160, 50}) {  // the second is filled by what follows
    const GptDecoder model(network<float>(config(1, context)));
    PromptCache<GptDecoder> cached(model);
    const Units beginning = units(40, 5);
    cached.keep(beginning);
    for (const Index more : {0, 1, 30}) {
      Units prompt = beginning;
      for (const Unit u : units(more, 6)) prompt.push_back(u);
      CHECK(same(cached.begin(prompt).logits(), model.begin(prompt).logits()));
    }
  }
}

TEST_CASE("beyond its context it goes on from the last half, the same however the units came", "[autoregressive]") {
  for (int kind = 0; kind < 2; ++kind) {
    const Gpt<float> net = network<float>(config(kind, 20));
    const GptDecoder model(net);
    const Units u = units(75, 7);
    auto one = model.begin({u[0]});
    std::vector<GptDecoder::State> batch(2, one);
    for (std::size_t i = 1; i < u.size(); ++i) {
      model.next(one, u[i]);
      GptDecoder::State* both[] = {&batch[0], &batch[1]};
      const Unit now[] = {u[i], u[i]};
      model.next(std::span<GptDecoder::State* const>(both), now);
      CHECK(one.cache().length() <= 20);
    }
    CHECK(same(one.logits(), batch[1].logits()));
    CHECK(same(one.logits(), model.begin(u).logits()));
    auto some = model.begin(Units(u.begin(), u.begin() + 30));
    model.extend(some, std::span<const Unit>(u).subspan(30));
    CHECK(same(one.logits(), some.logits()));
    // the window is what the network sees
    const auto n = static_cast<std::size_t>(one.cache().length());
    const Tensor<float> seen = net(as_batch(Units(u.end() - static_cast<std::ptrdiff_t>(n), u.end())));
    CHECK(same(one.logits(), seen.span().last(37)));
    // taken back over a place where the cache was built anew
    auto back = model.begin(Units(u.begin(), u.begin() + 40));
    model.extend(back, std::span<const Unit>(u).subspan(40));
    model.rewind(back, 35);
    model.extend(back, std::span<const Unit>(u).subspan(40));
    CHECK(same(one.logits(), back.logits()));
  }
}

TEST_CASE("a prompt without end costs what its last part costs", "[autoregressive]") {
  const GptDecoder model(network<float>(config(0, 20)));
  const Units u = units(1'000'003, 9);  // computed in full it would take an hour
  const auto whole = model.begin(u);
  CHECK(whole.cache().length() <= 20);
  auto parts = model.begin(Units(u.begin(), u.end() - 40));
  model.extend(parts, std::span<const Unit>(u).last(40));
  CHECK(same(whole.logits(), parts.logits()));
  Units wrong = u;
  wrong[500'000] = 37;  // in what is passed over
  CHECK_THROWS_AS(model.begin(wrong), argument_error);
}

TEST_CASE("threads change no bit", "[autoregressive]") {
  const Units u = units(130, 8);
  for (int kind = 0; kind < 2; ++kind) {
    Tensor<float> wanted;
    std::vector<float> wanted_next;
    for (const int n : {1, 2, 3, 8}) {
      set_threads(n);
      const Gpt<float> net = network<float>(config(kind));
      const GptDecoder model(net);
      const Tensor<float> full = net(as_batch(u));
      auto state = model.begin(u);
      model.next(state, 3);
      if (!wanted) {
        wanted = full;
        wanted_next.assign(state.logits().begin(), state.logits().end());
      }
      CHECK(same_bytes(full, wanted));
      CHECK(same(state.logits(), wanted_next));
    }
  }
  set_threads(2);
}

TEST_CASE("smaller caches and weights stay near, and step by step is as at once", "[autoregressive]") {
  for (int kind = 0; kind < 3; ++kind) {
    const Gpt<float> net = network<float>(config(kind));
    const Units u = units(100, 9);
    const auto exact = GptDecoder(net).begin(u);
    double top = 0;
    for (const float x : exact.logits()) top = std::max(top, std::abs(static_cast<double>(x)));
    const auto off = [&](const GptDecoderOptions& o) {
      const GptDecoder model(net, o);
      auto state = model.begin({u[0]});
      for (std::size_t i = 1; i < u.size(); ++i) model.next(state, u[i]);
      CHECK(same(state.logits(), model.begin(u).logits()));
      double worst = 0;
      for (std::size_t i = 0; i < 37; ++i)
        worst = std::max(worst, std::abs(static_cast<double>(state.logits()[i] - exact.logits()[i])));
      return worst / top;
    };
    CHECK(off({.cache = CacheFormat::f16}) < 2e-3);
    CHECK(off({.cache = CacheFormat::i8}) < 3e-2);
    CHECK(off({.weights = WeightFormat::f16}) < 4e-3);
    CHECK(off({.weights = WeightFormat::q8}) < 5e-2);
    CHECK(off({.weights = WeightFormat::q4}) < 0.5);
    CHECK(GptDecoder(net, {.weights = WeightFormat::q4}).bytes() < GptDecoder(net).bytes() / 4);
  }
}

TEST_CASE("a Gpt writes by the laws of generation, and its run survives a file", "[autoregressive]") {
  const GptDecoder model(network<float>(config(0, 24)));
  testing::check_generator(writer(model, {.length = 8, .choice = {.top_k = 10}}), Units{1, 2}, Noise{3});

  const std::vector<Units> prompts = {units(3, 1), units(30, 2), units(11, 3)};
  const std::vector<Noise> noises = {Noise{1}, Noise{2}, Noise{3}};
  const SequenceOptions o{.length = 40, .choice = {.temperature = 0.8, .repetition = 1.2}, .end = {5}};
  SequenceRun<GptDecoder> run(model, prompts, noises, o);
  for (std::size_t i = 0; i < 3; ++i) {
    auto alone = begin_sequence(model, prompts[i], noises[i], o);
    alone.finish();
    SequenceRun<GptDecoder> all = run;
    all.finish();
    const auto a = alone.units(0), b = all.units(static_cast<Index>(i));
    REQUIRE(Units(a.begin(), a.end()) == Units(b.begin(), b.end()));
  }
  const test::Scratch folder;
  while (run.at() < 25 && run.step()) {}
  write_sequence(folder / "run.safetensors", run);
  auto again = read_sequence(folder / "run.safetensors", model);
  CHECK(same_bytes(run.finish(), again.finish()));
}

TEST_CASE("wrong units and shapes are refused", "[autoregressive]") {
  const Gpt<float> net = network<float>(config(0, 10));
  const GptDecoder model(net);
  CHECK_THROWS_AS(model.begin(GptDecoder::Condition{}), argument_error);
  CHECK_THROWS_AS(model.begin({37}), argument_error);
  CHECK_THROWS_AS(model.begin({-1}), argument_error);
  CHECK_THROWS_AS(net(Tensor<std::int32_t>(Shape{1, 11}, 0)), shape_error);
  Rng rng(0);
  CHECK_THROWS_AS(Gpt<float>({.heads = 5, .width = 48}, rng), argument_error);
  CHECK_THROWS_AS(Gpt<float>({.heads = 4, .width = 48, .kv_heads = 3}, rng), argument_error);
  CHECK_THROWS_AS(Gpt<float>({.heads = 16, .width = 48, .positions = GptPositions::rotary}, rng), argument_error);
}

TEST_CASE("a model survives its file", "[autoregressive]") {
  const test::Scratch folder;
  for (int kind = 0; kind < 3; ++kind) {
    GptModel model{std::make_shared<Gpt<float>>(network<float>(config(kind))), {}, {{"note", "x"}}};
    for (int i = 0; i < 37; ++i) model.units.push_back("u" + std::to_string(i));
    to_file(model).write(folder / "m.safetensors");
    const GptModel again = load_gpt(folder / "m.safetensors");
    CHECK(again.units == model.units);
    CHECK(again.metadata.at("note") == "x");
    const auto ids = as_batch(units(20, 1));
    CHECK(same_bytes((*model.net)(ids), (*again.net)(ids)));
  }
  const Safetensors good = Safetensors::read(folder / "m.safetensors");
  const auto throws = [&](const auto& spoil) {
    Safetensors file = good;
    spoil(file);
    CHECK_THROWS_AS(gpt_from_file(file), io_error);
  };
  const auto change = [&](const char* from, const char* to) {
    throws([&](Safetensors& f) {
      std::string& text = f.metadata["config"];
      const std::size_t at = text.find(from);
      REQUIRE(at != std::string::npos);
      text.replace(at, std::string(from).size(), to);
    });
  };
  throws([](Safetensors& f) { f.metadata.erase("format"); });
  throws([](Safetensors& f) { f.metadata["config"] = "{}"; });
  throws([](Safetensors& f) { f.metadata["units"] = "[\"a\"]"; });
  throws([](Safetensors& f) { f.erase("norm.weight"); });
  throws([](Safetensors& f) { f.put("extra", Tensor<float>(Shape{1}, 0.0f)); });
  change("\"width\": 48", "\"width\": 1000000000");
  change("\"layers\": 2", "\"layers\": 900");
  change("\"vocabulary\": 37", "\"vocabulary\": 1000000");
  change("\"context\": 160", "\"context\": 16000000");
  change("\"heads\": 8", "\"heads\": 7");
  change("\"norm\": \"rms\"", "\"norm\": \"batch\"");
}
