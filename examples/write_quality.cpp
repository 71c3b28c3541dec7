// What smaller weights and a smaller cache cost a model that writes: nats a unit on a text, how far its predictions move from
// those in F32, and what is gained, bytes and units a second.
//
//   build/examples/write_quality --model char_gpt.safetensors --text shakespeare.txt
//   build/examples/write_quality --layers 12 --width 768 --heads 12 --vocabulary 50257      random weights in GPT-2's shape
//
// KL is the mean of KL(F32 || this) over the positions, in nats (Kullback & Leibler, 1951): what a reader who expects F32's
// distribution loses with this one's. Without --text the units are drawn from the F32 model itself; random weights know no text.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <tessera/generate/choice.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/language_model.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "write_quality";

struct Options {
  std::string model, tokenizer, text;
  Index units = 256, layers = 12, heads = 12, width = 768, vocabulary = 50257, context = 1024, threads = 0;
  std::uint64_t seed = 0;
};

void describe(Cli& cli, Options& o) {
  cli.option("--weights,-w,--model,-m", o.model, "the model, as write takes it (default: random weights)");
  cli.option("--tokenizer", o.tokenizer, "a tokenizer.json, as write takes it");
  cli.option("--text", o.text, "the text it reads (default: drawn from the model)");
  cli.option("--units,-n", o.units, "units of it, at most the model's context (default 256)", 2, 1 << 20);
  cli.option("--layers", o.layers, "of random weights (default 12)", 1, 128);
  cli.option("--heads", o.heads, "of random weights (default 12)", 1, 128);
  cli.option("--width", o.width, "of random weights (default 768)", 8, 8192);
  cli.option("--vocabulary", o.vocabulary, "of random weights (default 50257)", 2, 1 << 20);
  cli.option("--context", o.context, "of random weights (default 1024)", 2, 1 << 20);
  cli.option("--seed", o.seed, "of random weights and of what is drawn (default 0)");
  cli.option("--threads,-t", o.threads, "threads; 0 is as many as there are CPUs (default)", 0, 256);
}

/// log softmax, in double.
std::vector<double> log_probabilities(std::span<const float> logits) {
  double most = -INFINITY, sum = 0;
  for (const float x : logits) most = std::max(most, static_cast<double>(x));
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - most);
  const double log_sum = most + std::log(sum);
  std::vector<double> p;
  p.reserve(logits.size());
  for (const float x : logits) p.push_back(static_cast<double>(x) - log_sum);
  return p;
}

/// The logits after each unit but the last, one after another as a program that writes would have them.
struct Reading {
  std::vector<float> logits;  // [units - 1, V]
  double seconds = 0;         // of reading them, but the first
  double cache_bytes = 0;     // a unit

  std::span<const float> at(Index t, Index vocabulary) const {
    return std::span<const float>(logits).subspan(static_cast<std::size_t>(t * vocabulary),
                                                  static_cast<std::size_t>(vocabulary));
  }
};
Reading read(const GptDecoder& model, const std::vector<Unit>& units) {
  Reading r;
  auto state = model.begin({units[0]});
  r.logits.assign(state.logits().begin(), state.logits().end());
  for (std::size_t t = 1; t + 1 < units.size(); ++t) {
    const auto begin = std::chrono::steady_clock::now();
    model.next(state, units[t]);
    r.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    r.logits.insert(r.logits.end(), state.logits().begin(), state.logits().end());
  }
  const Index page = KvCache::page_size, pages = (state.cache().length() + page - 1) / page;
  r.cache_bytes = static_cast<double>(state.cache().bytes()) / static_cast<double>(pages * page);
  return r;
}

double nats(const Reading& r, const std::vector<Unit>& units, Index vocabulary) {
  double sum = 0;
  const auto count = static_cast<Index>(units.size()) - 1;
  for (Index t = 0; t < count; ++t)
    sum -= log_probabilities(r.at(t, vocabulary))[static_cast<std::size_t>(units[static_cast<std::size_t>(t + 1)])];
  return sum / static_cast<double>(count);
}

struct Distance {
  double kl = 0, largest = 0;
  Index same_best = 0;
};
Distance distance(const Reading& reference, const Reading& other, Index count, Index vocabulary) {
  Distance d;
  const auto best = [](const std::vector<double>& p) {
    std::size_t top = 0;
    for (std::size_t i = 1; i < p.size(); ++i) top = p[i] > p[top] ? i : top;
    return top;
  };
  for (Index t = 0; t < count; ++t) {
    const auto a = reference.at(t, vocabulary), b = other.at(t, vocabulary);
    const auto p = log_probabilities(a), q = log_probabilities(b);
    for (std::size_t i = 0; i < p.size(); ++i) {
      d.kl += std::exp(p[i]) * (p[i] - q[i]) / static_cast<double>(count);
      d.largest = std::max(d.largest, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    }
    d.same_best += best(p) == best(q);
  }
  return d;
}

std::vector<Unit> text_units(const LanguageModel& l, const Options& o) {
  const Bytes bytes = read_file(o.text, std::uint64_t{1} << 30);
  std::vector<Unit> units = prompt_of(l.words, as_text(bytes));
  const auto most = static_cast<std::size_t>(std::min(o.units, l.config().context));
  if (units.size() > most) units.resize(most);
  if (units.size() < 3)
    throw argument_error("the text has " + std::to_string(units.size()) + " units, wanted 3 or more");
  return units;
}
std::vector<Unit> drawn_units(const GptDecoder& model, Unit start, const Options& o) {
  const Index length = std::min(o.units, model.config().context);
  std::vector<Unit> units = {start};
  auto state = model.begin(units);
  Chooser chooser(ChoiceOptions{});
  for (Index t = 1; t < length; ++t) {
    units.push_back(chooser(state.logits(), units, Noise{o.seed}.fork(static_cast<std::uint64_t>(t))).unit);
    if (t + 1 < length) model.next(state, units.back());
  }
  return units;
}

int write_quality(int argc, char** argv) {
  Options o;
  Cli cli(program, "What smaller weights and caches cost, and what they gain.");
  describe(cli, o);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));
  if (o.model.empty() && !o.text.empty()) throw argument_error("--text wants a --model: random weights know no words");
  LanguageModel l;
  if (o.model.empty()) {
    Rng rng(o.seed);
    l.model.net = std::make_shared<Gpt<float>>(
        GptConfig{
            .vocabulary = o.vocabulary, .context = o.context, .layers = o.layers, .heads = o.heads, .width = o.width},
        rng);
  } else {
    l = load_language_model(o.model, o.tokenizer, false);
  }
  struct Variant {
    const char *weights, *cache;
  };
  constexpr Variant variants[] = {{"f32", "f32"}, {"f16", "f32"}, {"q8", "f32"}, {"q4", "f32"},
                                  {"f32", "f16"}, {"f32", "i8"},  {"q8", "i8"},  {"q4", "i8"}};
  const GptConfig& c = l.config();
  std::vector<Unit> units;
  Reading reference;
  std::printf(
      "weights  cache   weights MB  cache KB/unit    nats/unit    KL to F32  same best  largest logit off  unit/s\n");
  for (const Variant& v : variants) {
    const GptDecoder model(*l.model.net,
                           {.weights = weight_format("--store", v.weights), .cache = cache_format("--cache", v.cache)});
    if (units.empty())
      units = o.text.empty() ? drawn_units(model, l.words.start >= 0 ? l.words.start : 0, o) : text_units(l, o);
    const Reading found = read(model, units);
    if (reference.logits.empty()) reference = found;
    const auto count = static_cast<Index>(units.size()) - 1;
    const Distance d = distance(reference, found, count, c.vocabulary);
    std::printf("%-7s  %-5s  %11.2f  %13.2f  %11.5f  %11.2e  %8.1f%%  %17.3g  %6.1f\n", v.weights, v.cache,
                static_cast<double>(model.bytes()) * 1e-6, found.cache_bytes / 1024, nats(found, units, c.vocabulary),
                std::max(d.kl, 0.0), 100 * static_cast<double>(d.same_best) / static_cast<double>(count), d.largest,
                static_cast<double>(count - 1) / found.seconds);
    std::fflush(stdout);
  }
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, write_quality, argc, argv); }
