#include "examples/support/char_training.hpp"

#include <cmath>
#include <cstdio>

#include "examples/support/output.hpp"
#include "examples/support/training.hpp"
#include "examples/support/twin_file.hpp"

namespace tessera::examples {

void describe(Cli& cli, CharTraining& o) {
  constexpr Index most = 10'000'000;
  describe(cli, o,
           {.batch_of = "pieces of text",
            .seed_of = "weights and batches",
            .output = "the finished model, in half precision"});
  cli.number("--layers", o.layers, "blocks of the transformer", 1, 64);
  cli.number("--heads", o.heads, "attention heads", 1, 64);
  cli.number("--width", o.width, "numbers a character, a multiple of the heads", 8, 4096);
  cli.number("--context", o.context, "characters it looks back on", 2, 4096);
  cli.number("--floor", o.floor, "share of it left at the end of the cosine", 0, 1);
  cli.number("--warmup", o.warmup, "steps in which the rate rises", 0, most);
  cli.number("--decay", o.decay, "weight decay", 0, 10);
  cli.number("--dropout", o.dropout, "share of numbers dropped in training", 0, 0.9);
  cli.option("--twin", o.twin, TwinFile::help);
  cli.number("--evaluate-every", o.evaluate_every, "steps between looks at the held-out text; 0: at the end only", 0,
             most);
}

std::optional<GptModel> train_characters(const char* program, const CharTraining& o, const Characters& characters,
                                         const CharTask& task) {
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));
  check_writable(o.output);
  check_writable(o.curve);
  Rng rng(o.seed);
  Gpt<float> net({.vocabulary = characters.size(),
                  .context = o.context,
                  .layers = o.layers,
                  .heads = o.heads,
                  .width = o.width,
                  .bias = false},
                 rng);
  TrainConfig config = o.config({.decay = Decay::cosine, .warmup = o.warmup, .total = o.steps + 1, .floor = o.floor});
  config.items = o.batch * o.context;
  Trainer<Gpt<float>> trainer(net, {.rate = o.rate, .beta2 = 0.99, .decay = o.decay}, config);
  go_on(program, trainer);
  TwinFile twin(o.twin, "gpt", trainer, {{"heads", o.heads}, {"dropout", o.dropout}});
  std::fprintf(stderr, "%s, %lld parameters\n", task.data.c_str(), static_cast<long long>(parameter_count(net)));
  LearningCurve curve(
      {.path = o.curve,
       .every = o.evaluate_every,
       .plot = {.title = task.title, .x_label = "step", .y_label = "nats a character", .smoothing = 0.9}},
      trainer.extras());
  const auto look = [&] { return task.held_out(net); };
  const auto loss = [&](auto& tape, auto& module, const TrainStep& at) {
    const CharBatch b = task.batch(at.noise);
    twin.see(at, "x", b.x);
    twin.see(at, "y", b.y);
    return cross_entropy(module(tape.ids(b.x), {.share = o.dropout, .noise = at.noise.fork(1)}), b.y);
  };
  const TrainEnd end = run_with_looks(trainer, curve, loss, look);
  twin.write(trainer);
  if (end == TrainEnd::interrupted) {
    say_interrupted(program, trainer);
    return std::nullopt;
  }
  curve.add(look());
  curve.write(trainer.history());
  GptModel model{std::make_shared<Gpt<float>>(net), {}, {}};
  for (Token t = 0; t < characters.size(); ++t) model.units.push_back(characters.bytes(t));
  if (!task.end.empty()) model.metadata[end_of_text_key] = task.end;
  to_file(model, DType::f16).write(o.output);
  std::printf("held out %.4f nats a character (%.3f bits) after %lld steps; training took %.1f s\n", curve.last(),
              curve.last() / std::log(2.0), static_cast<long long>(trainer.steps_done()), trainer.seconds());
  std::fprintf(stderr, "wrote %s\n", printable(o.output).c_str());
  return model;
}

Characters characters_of(const GptModel& model, const std::string& file) {
  std::string alphabet;
  for (const std::string& u : model.units) alphabet += u;
  Characters characters(alphabet);
  bool same = !model.units.empty() && characters.size() == static_cast<Token>(model.units.size());
  for (Token t = 0; same && t < characters.size(); ++t)
    same = characters.bytes(t) == model.units[static_cast<std::size_t>(t)];
  if (!same)
    throw_io(file, "units", "the characters of a text, in their order", std::to_string(model.units.size()) + " texts");
  return characters;
}

}  // namespace tessera::examples
