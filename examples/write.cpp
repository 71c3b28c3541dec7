// Goes on from a beginning, unit by unit, as it is made.
//
//   build/examples/write "ROMEO:" --weights char_gpt.safetensors --temperature 0.8
//   build/examples/write "Once upon a time" --weights gpt2/ --store q8 --top-p 0.9 --repetition 1.1
//   build/examples/write "{" --model llama-q4_0.gguf --grammar json.gbnf --greedy
//
// The model is a file of train_char_gpt or train_poems, or a published GPT-2 or Llama: a GGUF file, or a folder with config.json,
// model.safetensors and either tokenizer.json or vocab.json and merges.txt. Text goes to standard output as it
// is made, or to --output when it is done; everything else to standard error.
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <tessera/autoregressive/speculative_file.hpp>
#include <tessera/generate/beam.hpp>
#include <tessera/generate/grammar_rule.hpp>
#include <tessera/generate/sequence_file.hpp>
#include <tessera/io/json_text.hpp>
#include <tessera/train/interrupt.hpp>
#include <tessera/unit/detokenizer.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/language_model.hpp"
#include "examples/support/output.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "write";

struct Options {
  std::vector<std::string> bare;
  std::string weights = "char_gpt.safetensors", tokenizer, file, store, cache = "f32", grammar, negative, draft, save,
              resume, output;
  std::vector<std::string> bias, banned, only, breakers, stop;
  std::uint64_t seed = 0;
  std::int64_t length = 400, count = 1, beam = 0, ahead = 4, threads = 0;
  ChoiceOptions choice;
  double guidance = 1, alpha = 0.6;
  bool greedy = false, endless = false, figures = false, json = false;
};

void describe(Cli& cli, Options& o) {
  constexpr Index most = 10'000'000;
  ChoiceOptions& c = o.choice;
  cli.rest("prompt", o.bare, "the beginning (default: a line end)");
  cli.option("--weights,-w,--model,-m", o.weights,
             "the model: a file of train_char_gpt, a GGUF file, or a published folder (default char_gpt.safetensors)");
  cli.option("--file,-f", o.file, "the beginning from a file; - is standard input");
  cli.option("--tokenizer", o.tokenizer, "a tokenizer.json (default: what stands beside or in published weights)");
  cli.option("--store", o.store,
             "weights in memory as f32, f16, q8 or q4 (default f32; of a GGUF file as it has them)");
  cli.option("--cache", o.cache, "keys and values in memory as f32, f16 or i8 (default f32)");
  cli.option("--length,-n", o.length, "units to write at most (default 400)", 0, most);
  cli.option("--count,-c", o.count, "texts; the next one has seed + 1 (default 1)", 1, 1000);
  cli.option("--seed,-s", o.seed, "of the draws (default 0)");
  cli.flag("--greedy", o.greedy, "always the likeliest unit");
  cli.option("--temperature", c.temperature, "below 1 safer, above bolder; 0 is --greedy (default 1)", 0, 100);
  cli.flag("--temperature-first", c.temperature_first, "scale before top-k, top-p, ... and not after");
  cli.option("--dynamic-low", c.dynamic_low, "with --dynamic-high: temperature by entropy, from this", 0, 100);
  cli.option("--dynamic-high", c.dynamic_high, "to this; 0: off (default)", 0, 100);
  cli.option("--dynamic-exponent", c.dynamic_exponent, "how it rises between them (default 1)", 0, 100);
  cli.option("--top-k", c.top_k, "draw from the k likeliest; 0: all (default)", 0, most);
  cli.option("--top-p", c.top_p, "from the fewest that have this probability together (default 1)", 0, 1);
  cli.option("--min-p", c.min_p, "from those of at least this share of the likeliest's probability (default 0)", 0, 1);
  cli.option("--typical", c.typical, "from those of typical surprise, up to this probability (default 1)", 0, 1);
  cli.option("--top-n-sigma", c.top_n_sigma, "from logits within n deviations of the greatest; 0: all (default)", 0,
             100);
  cli.option("--xtc-chance", c.xtc_chance, "how often top choices are excluded (default 0)", 0, 1);
  cli.option("--xtc-threshold", c.xtc_threshold, "what probability makes a top choice (default 0.1)", 0, 1);
  cli.option("--mirostat", c.mirostat, "surprise to keep to, in bits a unit; 0: off (default)", 0, 100);
  cli.option("--mirostat-rate", c.mirostat_rate, "how fast it corrects (default 0.1)", 0, 10);
  cli.option("--repetition", c.repetition, "divides logits of units that came (default 1)", 0.001, 1000);
  cli.option("--frequency", c.frequency, "off their logits, for each time they came (default 0)", -100, 100);
  cli.option("--presence", c.presence, "off their logits, once (default 0)", -100, 100);
  cli.option("--window", c.window, "units the three above look back on; 0: all (default 64)", 0, most);
  cli.option("--no-repeat", c.no_repeat, "no run of n units twice; 0: off (default)", 0, most);
  cli.option("--dry", c.dry.multiplier,
             "against repeated runs: off the logit at the first unit too many; 0: off (default)", 0, 1000);
  cli.option("--dry-base", c.dry.base, "its growth with each further unit (default 1.75)", 1, 1000);
  cli.option("--dry-allowed", c.dry.allowed, "units a run may repeat freely (default 2)", 0, most);
  cli.option("--dry-breaker", o.breakers, "a text whose units end runs (several times)");
  cli.option("--bias", o.bias, "TEXT=X adds X to the logits of the text's units (several times)");
  cli.option("--ban", o.banned, "a text whose units may not come (several times)");
  cli.option("--only", o.only, "a text whose units alone may come (several times)");
  cli.option("--stop", o.stop, "a text of one unit that ends it (several times)");
  cli.flag("--endless", o.endless, "go on past the model's own end of a text");
  cli.option("--grammar", o.grammar, "a file in GBNF that the text has to follow");
  cli.option("--guidance", o.guidance, "leads away from --negative, by this factor (default 1: no)", 0, 100);
  cli.option("--negative", o.negative, "the beginning that --guidance leads away from");
  cli.option("--beam", o.beam, "beam search of this width, the best --count of it; 0: draw (default)", 0, 256);
  cli.option("--alpha", o.alpha, "beam search: how much longer texts are preferred (default 0.6)", 0, 10);
  cli.option("--draft", o.draft, "a smaller model of the same units that guesses ahead: same distribution, sooner");
  cli.option("--ahead", o.ahead, "units it guesses at a time (default 4)", 1, 64);
  cli.option("--output,-o", o.output,
             "text file to write; %03d is the text's number, from 0 (default: standard output, as it is made)");
  cli.option("--save", o.save, "a file to keep the unfinished run in, on Ctrl-C too");
  cli.option("--resume", o.resume, "such a file: goes on, by its stored settings; --length may prolong it");
  cli.option("--threads,-t", o.threads, "threads; 0 is as many as there are CPUs (default)", 0, 256);
  cli.flag("--json", o.json, "a line of JSON for each text on standard output");
  cli.flag("--figures", o.figures, "units a second, on standard error");
}

/// As the file has them when it is a GGUF file and --store is not given.
GptDecoder decoder_of(const LanguageModel& l, const Options& o) {
  const CacheFormat cache = cache_format("--cache", o.cache);
  if (l.stored) return GptDecoder(*l.stored, cache);
  return GptDecoder(*l.model.net,
                    {.weights = weight_format("--store", o.store.empty() ? "f32" : o.store), .cache = cache});
}

/// The beginning as it is on the command line or in a file. Throws argument_error for text that is none.
std::string beginning_of(const Options& o) {
  std::string text = o.bare.empty() ? "" : o.bare[0];
  if (!o.file.empty()) text = as_text(read_file(o.file == "-" ? "/dev/stdin" : o.file, std::uint64_t{1} << 30));
  for (const std::string* t : {static_cast<const std::string*>(&text), &o.negative}) {
    if (const std::size_t bad = utf8_error(*t); bad != t->size())
      throw argument_error("the beginning is not UTF-8: " + quoted(t->substr(bad, 8)) + " at byte " +
                           std::to_string(bad));
  }
  return text;
}

/// The options that name units by texts.
void name_units(const Words& words, Options& o, std::vector<Unit>& end) {
  const auto units = [&](const std::vector<std::string>& texts) {
    std::vector<Unit> all;
    for (const std::string& t : texts) {
      for (const Unit u : words.encode(t)) all.push_back(u);
    }
    return all;
  };
  o.choice.banned = units(o.banned);
  o.choice.only = units(o.only);
  o.choice.dry.breakers = units(o.breakers);
  for (const std::string& b : o.bias) {
    const std::size_t at = b.rfind('=');
    char* rest = nullptr;
    const float x = at == std::string::npos ? 0.0f : std::strtof(b.c_str() + at + 1, &rest);
    if (at == std::string::npos || at == 0 || rest == b.c_str() + at + 1 || *rest != '\0' || x != x || x > 1e6f)
      throw argument_error("--bias takes TEXT=NUMBER, as in --bias dog=2, not " + quoted(b, 60));
    for (const Unit u : words.encode(b.substr(0, at))) o.choice.bias.push_back({u, x});
  }
  if (!o.endless) end = words.end;
  for (const std::string& s : o.stop) {
    const auto u = words.encode(s);
    if (u.size() != 1)
      throw argument_error("--stop takes a text of one unit; " + quoted(s, 40) + " has " + std::to_string(u.size()));
    end.push_back(u[0]);
  }
  if (o.greedy) o.choice.temperature = 0;
}

/// Seconds since it was made.
class Watch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// A text on its way out, in whole characters: to standard output at once, or to a file or a line of JSON when it ends.
class Page {
 public:
  Page(const Options& o, const Words& words, std::string file, std::uint64_t seed, const std::string& beginning)
      : o_(o), words_(words), file_(std::move(file)), seed_(seed) {
    put(beginning);
  }

  void operator()(Unit u) {
    put(stream_.push(words_.texts[static_cast<std::size_t>(u)]));
    ++units_;
  }
  /// A unit of the beginning.
  void given(Unit u) {
    if (!words_.special.empty() && words_.special[static_cast<std::size_t>(u)]) return;
    put(stream_.push(words_.texts[static_cast<std::size_t>(u)]));
  }

  /// `score`: of beam search.
  void finish(std::optional<double> score = {}) {
    put(stream_.finish());
    if (live()) write_stdout(as_bytes("\n"));
    if (!file_.empty()) {
      write_file(file_, as_bytes(text_ + '\n'));
      if (!o_.json) std::fprintf(stderr, "wrote %s\n", printable(file_).c_str());
    }
    if (o_.json) write_stdout(as_bytes(json_line(score)));
    if (o_.figures)
      std::fprintf(stderr, "%lld units in %.2f s: %.1f a second\n", static_cast<long long>(units_), watch_.seconds(),
                   static_cast<double>(units_) / watch_.seconds());
  }

 private:
  bool live() const { return file_.empty() && !o_.json; }

  void put(const std::string& text) {
    if (live())
      write_stdout(as_bytes(text));
    else
      text_ += text;
  }

  std::string json_line(std::optional<double> score) const {
    std::string line = "{\"text\": ";
    append_json(line, text_);
    if (!file_.empty()) {
      line += ", \"file\": ";
      append_json(line, valid_utf8(file_) ? file_ : printable(file_));
    }
    char rest[120];
    if (score)
      std::snprintf(rest, sizeof rest, ", \"score\": %.6g", *score);
    else
      std::snprintf(rest, sizeof rest, ", \"seed\": %llu", static_cast<unsigned long long>(seed_));
    line += rest;
    std::snprintf(rest, sizeof rest, ", \"units\": %lld, \"seconds\": %.3f}\n", static_cast<long long>(units_),
                  watch_.seconds());
    return line + rest;
  }

  const Options& o_;
  const Words& words_;
  std::string file_, text_;
  std::uint64_t seed_;
  Utf8Stream stream_;
  std::int64_t units_ = 0;
  Watch watch_;
};

/// Writes one run to the end; false when interrupted. What has come until then is on the page.
template <class R, class Units>
bool stream(R& run, const Units& units, Page& page, const Interrupt& interrupt) {
  std::size_t shown = units().size();
  for (const Unit u : units()) page(u);
  while (!interrupt() && run.step()) {
    for (const auto now = units(); shown < now.size(); ++shown) page(now[shown]);
  }
  page.finish();
  return !interrupt() || run.done();
}

int write(int argc, char** argv) {
  Options o;
  Cli cli(program, "Goes on from a beginning, unit by unit.");
  describe(cli, o);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));
  if (o.bare.size() + (o.file.empty() ? 0 : 1) > 1)
    throw argument_error("one beginning: put it in quotation marks, or name a --file");
  if (o.guidance != 1 && o.negative.empty())
    throw argument_error("--guidance wants --negative, a beginning to lead away from");
  if (o.beam > 0 && (o.count > o.beam || !o.draft.empty() || o.guidance != 1))
    throw argument_error("--beam gives at most its width of texts, and takes neither --draft nor --guidance");
  if (!o.draft.empty() && (!o.grammar.empty() || o.guidance != 1))
    throw argument_error("--draft takes neither --grammar nor --guidance");
  if ((!o.save.empty() || !o.resume.empty()) && (o.count != 1 || o.beam > 0))
    throw argument_error("--save and --resume are for one text, drawn");

  const std::string beginning = beginning_of(o);
  if (!o.store.empty()) weight_format("--store", o.store);
  cache_format("--cache", o.cache);
  check_writable(o.save);
  const auto files = o.output.empty() ? std::vector<std::string>(static_cast<std::size_t>(o.count))
                                      : output_names(o.output, static_cast<std::size_t>(o.count), "text");
  for (const std::string& file : files) {
    if (file == "-") throw argument_error("--output - is what happens without --output; leave it out");
    check_writable(file);
  }
  const auto page_of = [&](Index i, const Words& words, const std::string& text) {
    return Page(o, words, files[static_cast<std::size_t>(i)], o.seed + static_cast<std::uint64_t>(i), text);
  };

  const Interrupt interrupt;
  const LanguageModel loaded = load_language_model(o.weights, o.tokenizer, o.store.empty());
  const Words& words = loaded.words;
  SequenceOptions sequence{.length = o.length, .guidance = o.guidance};
  name_units(words, o, sequence.end);
  sequence.choice = o.choice;
  const GptDecoder model = decoder_of(loaded, o);
  std::vector<Unit> prompt = prompt_of(words, beginning);
  if (const auto most = static_cast<std::size_t>(loaded.config().context); prompt.size() > most) {
    complain(program, "warning: the beginning has " + std::to_string(prompt.size()) +
                          " units; the model reads the last " + std::to_string(most));
    prompt.erase(prompt.begin(), prompt.end() - static_cast<std::ptrdiff_t>(most));
  }
  Constraint constraint;
  if (!o.grammar.empty()) {
    const Bytes text = read_file(o.grammar, 1U << 24);
    constraint = Constraint(
        std::make_unique<GrammarRule>(std::make_shared<const Grammar>(Grammar::parse(as_text(text), o.grammar)),
                                      std::make_shared<const UnitTexts>(plain_texts(words))));
  }

  if (o.beam > 0) {
    const auto found = beam_search(
        model, prompt, {.width = o.beam, .length = o.length, .alpha = o.alpha, .end = sequence.end, .choice = o.choice},
        constraint);
    for (std::size_t i = 0; i < found.size() && static_cast<Index>(i) < o.count; ++i) {
      if (!o.json) std::fprintf(stderr, "%.3f\n", found[i].score);
      Page page = page_of(static_cast<Index>(i), words, beginning);
      for (const Unit u : found[i].units) page(u);
      page.finish(found[i].score);
    }
    return exit_done;
  }
  if (!o.draft.empty()) {
    const GptDecoder draft = decoder_of(load_language_model(o.draft, o.tokenizer, o.store.empty()), o);
    for (Index i = 0; i < o.count; ++i) {
      auto run = o.resume.empty() ? SpeculativeRun<GptDecoder, GptDecoder>(
                                        model, draft, prompt, Noise{o.seed + static_cast<std::uint64_t>(i)},
                                        {.length = o.length, .ahead = o.ahead, .choice = o.choice, .end = sequence.end})
                                  : read_speculation(o.resume, model, draft);
      Page page = page_of(i, words, o.resume.empty() ? beginning : "");
      if (!o.resume.empty()) {
        if (cli.given("--length")) run.prolong(o.length);
        for (const Unit u : run.prompt()) page.given(u);
      }
      const bool whole = stream(
          run, [&] { return run.units(); }, page, interrupt);
      if (!o.save.empty()) {
        write_speculation(o.save, run);
        std::fprintf(stderr, "wrote %s\n", printable(o.save).c_str());
      }
      if (!whole) return exit_interrupted;
      if (o.figures)
        std::fprintf(stderr, "%lld of %lld guesses kept\n", static_cast<long long>(run.kept()),
                     static_cast<long long>(run.proposed()));
    }
    return exit_done;
  }
  for (Index i = 0; i < o.count; ++i) {
    const Noise noise{o.seed + static_cast<std::uint64_t>(i)};
    const std::vector<std::vector<Unit>> without = {prompt_of(words, o.negative)};
    const auto others =
        o.guidance != 1 ? std::span<const std::vector<Unit>>(without) : std::span<const std::vector<Unit>>();
    auto run = o.resume.empty()
                   ? SequenceRun<GptDecoder>(model, {&prompt, 1}, {&noise, 1}, sequence, others, constraint)
                   : read_sequence(o.resume, model, {}, others, constraint);
    Page page = page_of(i, words, o.resume.empty() ? beginning : "");
    if (!o.resume.empty()) {
      if (cli.given("--length")) run.prolong(o.length);
      for (const Unit u : run.prompt(0)) page.given(u);
    }
    const bool whole = stream(
        run, [&] { return run.units(0); }, page, interrupt);
    if (!o.save.empty()) {
      write_sequence(o.save, run);
      std::fprintf(stderr, "wrote %s\n", printable(o.save).c_str());
    }
    if (!whole) return exit_interrupted;
  }
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, write, argc, argv); }
