// Trains examples/pronounce on the words of Debian's pocketsphinx-en-us: letters to phonemes, phoneme after phoneme or all at
// once. A tenth of the words is held out. Stops with Ctrl-C, goes on where it stopped; a run that was stopped ends with the same
// bytes as one that was not.
//
//   build/examples/train_pronounce --folder run --output pronounce.safetensors --curve loss.png
//   build/examples/train_pronounce --model ctc --steps 6000 --folder ctc --output ctc.safetensors
//   build/examples/train_pronounce --score length.safetensors --lengths 5 --judge pronounce.safetensors
//
// What is printed at the end, over all held-out words: phoneme error, the edit distance to the nearest listed pronunciation by its
// length; word error, the share of words that equal none; phonemes a second, and passes of the answering half a word.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <tessera/nonautoregressive/one_shot_loss.hpp>
#include <tessera/train/length_sampler.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/pronounce_model.hpp"
#include "examples/support/training.hpp"
#include "examples/support/training_options.hpp"
#include "examples/support/twin_file.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "train_pronounce";

struct Options : TrainingOptions {
  Options()
      : TrainingOptions{.steps = 22000,
                        .batch = 64,
                        .save_every = 500,
                        .rate = 1.5e-3,
                        .folder = "run",
                        .output = "pronounce.safetensors"} {}
  std::string model = "transformer", twin, score, judge;
  Index warmup = 500, width = 128, heads = 4, layers = 3, hidden = 344, lengths = 5, words = 0, test_words = 0,
        evaluate_every = 1000;
  double decay = 0.01, dropout = 0.1, smoothing = 0.1;
};

void describe(Cli& cli, Options& o) {
  constexpr Index most = 10'000'000;
  cli.option("--model", o.model, "transformer, recurrent, length, fixed or ctc (default transformer)");
  describe(cli, o,
           {.batch_of = "words",
            .seed_of = "weights, order and dropout",
            .output = "the finished model, in half precision",
            .exported = "the newest checkpoint's averaged weights"});
  cli.number("--warmup", o.warmup, "steps in which the rate rises", 0, most);
  cli.number("--decay", o.decay, "weight decay", 0, 10);
  cli.number("--dropout", o.dropout, "share of numbers dropped in training", 0, 0.9);
  cli.number("--smoothing", o.smoothing, "label smoothing, not for ctc", 0, 0.9);
  cli.number("--width", o.width, "numbers a letter or phoneme", 8, 4096);
  cli.number("--heads", o.heads, "attention heads, not for recurrent", 1, 64);
  cli.number("--layers", o.layers, "blocks of each half, not for recurrent", 1, 64);
  cli.number("--hidden", o.hidden, "numbers of recurrent's state", 2, 4096);
  cli.option("--twin", o.twin, TwinFile::help);
  cli.number("--evaluate-every", o.evaluate_every, "steps between looks at held-out words; 0: at the end only", 0,
             most);
  cli.number("--words", o.words, "learn from so many words only; 0: all", 0, most);
  cli.number("--test-words", o.test_words, "score so many held-out words only; 0: all", 0, most);
  cli.option("--score", o.score, "no training: the figures of this model");
  cli.number("--lengths", o.lengths, "how many lengths `length` tries side by side, beside the likeliest alone", 1, 31);
  cli.option("--judge", o.judge, "a transformer that ranks what `length` offers");
}

/// Every (word, pronunciation) to learn from.
struct Pairs {
  std::vector<const SpokenUnits*> words, said;
  std::vector<Index> lengths;  // by word, then pronunciation

  template <class Can>
  Pairs(const std::vector<PronouncedWord>& from, Index most, const Can& can) {
    for (const PronouncedWord& w : from) {
      if (most > 0 && static_cast<Index>(words.size()) >= most) break;
      for (const SpokenUnits& s : w.said) {
        if (!can(w.letters, s)) continue;
        words.push_back(&w.letters);
        said.push_back(&s);
        lengths.push_back(static_cast<Index>(w.letters.size() * 64 + s.size()));
      }
    }
  }
};
struct Batch {
  std::vector<SpokenUnits> words, said;
};
Batch batch_of(const Pairs& pairs, std::span<const Index> items) {
  Batch b;
  for (const Index i : items) {
    b.words.push_back(*pairs.words[static_cast<std::size_t>(i)]);
    b.said.push_back(*pairs.said[static_cast<std::size_t>(i)]);
  }
  return b;
}

/// Nats a phoneme, the end included where it is one. `as_ids` puts ids on a tape, or leaves them.
template <class Net, class AsIds>
auto loss_of(const Net& net, const Batch& b, const AsIds& as_ids, Dropout& drop, double smoothing) {
  if constexpr (requires { net.config.kind; }) {
    return one_shot_loss(net, as_ids(padded(b.words, 0)), b.said, drop, smoothing);
  } else {
    const Seq2SeqBatch pairs(b.words, b.said);
    return cross_entropy(net(as_ids(pairs.source), as_ids(pairs.read), drop), pairs.wanted, {.smoothing = smoothing});
  }
}

/// The same over a thousand held-out pairs, evenly taken, nothing dropped or smoothed.
template <class Net>
double held_out_nats(const Net& net, const Pairs& pairs) {
  constexpr Index most = 1024, together = 64;
  const Index all = static_cast<Index>(pairs.words.size()), count = std::min(most, all);
  double sum = 0;
  Dropout none;
  for (Index i = 0; i < count; i += together) {
    std::vector<Index> items;
    for (Index k = i; k < std::min(count, i + together); ++k) items.push_back(k * all / count);
    const auto plain = [](const Tensor<std::int32_t>& ids) { return ids; };
    sum += static_cast<double>(loss_of(net, batch_of(pairs, items), plain, none, 0).item()) *
           static_cast<double>(items.size());
  }
  return sum / static_cast<double>(count);
}

// ---- Figures

/// Scores the first answer to each word, `choose` having had a look at them; prints a line.
template <class Choose>
void score(const char* name, const Pronouncer& model, std::span<const PronouncedWord> words,
           const PronounceOptions& options, const Choose& choose) {
  constexpr std::size_t together = 64;
  PronunciationScore result;
  double seconds = 0, phonemes = 0, passes = 0;
  for (std::size_t i = 0; i < words.size(); i += together) {
    const auto some = words.subspan(i, std::min(together, words.size() - i));
    std::vector<SpokenUnits> letters;
    for (const PronouncedWord& w : some) letters.push_back(w.letters);
    const auto start = std::chrono::steady_clock::now();
    PronounceAnswers answers = model(letters, options);
    choose(letters, answers);
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    passes += answers.passes * static_cast<double>(some.size());
    for (std::size_t k = 0; k < some.size(); ++k) {
      result.add(some[k], answers.each[k][0].phonemes);
      phonemes += static_cast<double>(answers.each[k][0].phonemes.size());
    }
  }
  std::printf("%-28s phoneme error %5.2f %%  word error %5.2f %%  %7.0f phonemes/s  %5.2f passes a word\n", name,
              100 * result.phoneme_error(), 100 * result.word_error(), phonemes / seconds,
              passes / static_cast<double>(result.words()));
  std::fflush(stdout);
}
void score(const char* name, const Pronouncer& model, std::span<const PronouncedWord> words,
           const PronounceOptions& options) {
  score(name, model, words, options, [](const auto&, const auto&) {});
}

/// The judge's favourite first.
void rank_by(const Pronouncer& judge, const std::vector<SpokenUnits>& letters, PronounceAnswers& answers) {
  std::vector<SpokenUnits> words, said;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    for (const PronounceAnswer& a : answers.each[i]) words.push_back(letters[i]), said.push_back(a.phonemes);
  }
  const std::vector<double> scores = judge.log_probabilities(words, said);
  std::size_t at = 0;
  for (auto& each : answers.each) {
    std::size_t best = 0;
    for (std::size_t k = 0; k < each.size(); ++k, ++at) {
      each[k].log_probability = scores[at];
      if (each[k].log_probability > each[best].log_probability) best = k;
    }
    std::swap(each[0], each[best]);
  }
  answers.passes += 1;
}

void print_figures(const Pronouncer& model, const PronouncingDictionary& data, const Options& o) {
  const std::size_t all = data.held_out.size();
  const std::size_t count = o.test_words > 0 ? std::min(all, static_cast<std::size_t>(o.test_words)) : all;
  std::vector<PronouncedWord> words;  // evenly taken
  for (std::size_t i = 0; i < count; ++i) words.push_back(data.held_out[i * all / count]);
  const std::string name = pronounce_model_names[static_cast<std::size_t>(model.model())];
  std::printf("%s, %lld parameters, %zu held-out words\n", name.c_str(), static_cast<long long>(model.parameters()),
              words.size());
  score(name.c_str(), model, words, {});
  if (model.model() == PronounceModel::transformer || model.model() == PronounceModel::recurrent)
    score((name + ", beam of 5").c_str(), model, words, {.beam = 5});
  if (model.model() != PronounceModel::length || o.lengths == 1) return;
  const std::string many = std::to_string(o.lengths) + " lengths, ";
  score((many + "own ranking").c_str(), model, words, {.lengths = o.lengths});
  if (o.judge.empty()) return;
  const Pronouncer judge = Pronouncer::from_file(Safetensors::read(o.judge));
  score((many + "ranked by a judge").c_str(), model, words, {.lengths = o.lengths},
        [&](const auto& letters, auto& answers) { rank_by(judge, letters, answers); });
}

// ---- Training

template <class Net>
int train(Net net, const Options& o, const PronouncingDictionary& data) {
  const auto can = [&](const SpokenUnits& word, const SpokenUnits& said) {
    if constexpr (requires { net.config.kind; }) return can_say(net.config, word, said);
    return true;
  };
  const Pairs pairs(data.train, o.words, can), tests(data.held_out, 0, can);
  LengthSampler sampler(pairs.lengths, o.batch, o.seed);
  TrainConfig config = o.config({.decay = Decay::cosine, .warmup = std::min(o.warmup, o.steps / 10), .floor = 0.01});
  config.ema_decay = 0.999;
  config.seed = o.seed;
  Trainer<Net> trainer(net, {.rate = o.rate, .beta2 = 0.98, .decay = o.decay}, config);
  const Resumed resumed = go_on(program, trainer);
  const auto finish = [&] {
    const Pronouncer model(std::make_shared<const Net>(*trainer.average()));
    model.to_file().write(o.output);
    std::fprintf(stderr, "wrote %s: the averaged weights of step %lld\n", printable(o.output).c_str(),
                 static_cast<long long>(trainer.steps_done()));
    print_figures(model, data, o);
    return exit_done;
  };
  if (o.only_export) {
    o.check_export(resumed);
    return finish();
  }
  std::fprintf(stderr, "%zu pairs of %zu words, %zu words held out; %lld parameters, %lld steps an epoch\n",
               pairs.words.size(), data.train.size(), data.held_out.size(),
               static_cast<long long>(parameter_count(net)), static_cast<long long>(sampler.batches_an_epoch()));

  LearningCurve curve({.path = o.curve,
                       .every = o.evaluate_every,
                       .plot = {.title = "Letters to phonemes: " + o.model,
                                .x_label = "step",
                                .y_label = "nats a phoneme",
                                .log_y = true},
                       .training = o.smoothing > 0 && o.model != "ctc" ? "training (smoothed targets)" : "training"},
                      trainer.extras());
  const auto look = [&] { return held_out_nats(*trainer.average(), tests); };
  TwinFile twin(o.twin, o.model == "transformer" || o.model == "recurrent" ? o.model : "one_shot_" + o.model, trainer,
                {{"heads", o.heads}, {"dropout", o.dropout}, {"smoothing", o.smoothing}});
  const TrainEnd end = run_with_looks(
      trainer, curve,
      [&](auto& tape, const auto& with, const TrainStep& at) {
        Dropout drop(o.dropout, at.noise.fork(1));
        const Batch batch = batch_of(pairs, sampler(at.batch));
        twin.see(at, "source", padded(batch.words, 0));
        twin.see(at, "target", padded(batch.said, -1));
        return loss_of(
            with, batch, [&](const Tensor<std::int32_t>& ids) { return tape.ids(ids); }, drop, o.smoothing);
      },
      look);
  twin.write(trainer);
  if (end == TrainEnd::interrupted) return say_interrupted(program, trainer);
  curve.add(look());
  curve.write(trainer.history());
  std::fprintf(stderr, "training took %.0f s\n", trainer.seconds());
  return finish();
}

int train_pronounce(int argc, char** argv) {
  Options o;
  Cli cli(program, "Trains the model of examples/pronounce on Debian's pocketsphinx-en-us.");
  describe(cli, o);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));
  const PronounceModel kind = pronounce_model_named(o.model);
  const PronouncingDictionary data = read_pronunciations();
  if (!o.score.empty()) {
    print_figures(Pronouncer::from_file(Safetensors::read(o.score)), data, o);
    return exit_done;
  }
  Rng rng(o.seed);
  constexpr auto letters = static_cast<Index>(longest_spelling),
                 phonemes = static_cast<Index>(longest_pronunciation) + 1;
  switch (kind) {
    case PronounceModel::transformer:
      return train(Seq2Seq<float>({.source_units = letter_units,
                                   .target_units = phoneme_units,
                                   .source_length = letters,
                                   .target_length = phonemes,
                                   .width = o.width,
                                   .heads = o.heads,
                                   .layers = o.layers},
                                  rng),
                   o, data);
    case PronounceModel::recurrent:
      return train(RecurrentSeq2Seq<float>({.source_units = letter_units,
                                            .target_units = phoneme_units,
                                            .source_length = letters,
                                            .width = o.width,
                                            .hidden = o.hidden},
                                           rng),
                   o, data);
    default: {
      constexpr Index usual = 20;  // all but 2 pronunciations fit, and the end
      OneShotTextConfig c{.kind = kind == PronounceModel::length  ? OneShotKind::length
                                  : kind == PronounceModel::fixed ? OneShotKind::fixed
                                                                  : OneShotKind::ctc,
                          .source_units = letter_units,
                          .target_units = phoneme_units,
                          .source_length = letters,
                          .target_length = usual,
                          .width = o.width,
                          .heads = o.heads,
                          .layers = o.layers};
      return train(OneShotText<float>(c, rng), o, data);
    }
  }
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, train_pronounce, argc, argv); }
