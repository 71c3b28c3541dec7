#include "examples/support/char_training.hpp"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include <tessera/io/png.hpp>
#include <tessera/train/interrupt.hpp>
#include <tessera/train/loop.hpp>

#include "examples/support/output.hpp"
#include "examples/support/plot.hpp"

namespace tessera::examples {

void describe(Cli& cli, CharTraining& o) {
  constexpr Index most = 10'000'000;
  const auto number = [&](const char* name, Index& value, const std::string& help, Index low, Index high) {
    cli.option(name, value, help + " (default " + std::to_string(value) + ")", low, high);
  };
  const auto real = [&](const char* name, double& value, const std::string& help, double low, double high) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", value);
    cli.option(name, value, help + " (default " + text + ")", low, high);
  };
  number("--steps", o.steps, "training steps in all, those of earlier runs included", 1, most);
  number("--layers", o.layers, "blocks of the transformer", 1, 64);
  number("--heads", o.heads, "attention heads", 1, 64);
  number("--width", o.width, "numbers a character, a multiple of the heads", 8, 4096);
  number("--context", o.context, "characters it looks back on", 2, 4096);
  number("--batch", o.batch, "pieces of text a step", 1, 4096);
  real("--rate", o.rate, "greatest learning rate", 0, 1);
  real("--floor", o.floor, "share of it left at the end of the cosine", 0, 1);
  number("--warmup", o.warmup, "steps in which the rate rises", 0, most);
  real("--decay", o.decay, "weight decay", 0, 10);
  real("--dropout", o.dropout, "share of numbers dropped in training", 0, 0.9);
  cli.option("--seed", o.seed, "of weights and batches (default 1)");
  cli.option("--folder", o.folder, "where checkpoints go, and a run goes on from (default " + o.folder + ")");
  cli.option("--output", o.output, "the finished model, in half precision (default " + o.output + ")");
  cli.option("--curve", o.curve, "a PNG of the losses, with every evaluation");
  number("--evaluate-every", o.evaluate_every, "steps between looks at the held-out text; 0: at the end only", 0, most);
  number("--save-every", o.save_every, "steps between checkpoints", 1, most);
  number("--threads", o.threads, "threads; 0 is as many as there are CPUs", 0, 256);
}

namespace {

void write_curve(const CharTraining& o, const std::string& title, const Tensor<float>& losses,
                 const std::vector<double>& held_out) {
  if (o.curve.empty()) return;
  std::vector<PlotLine> lines(1);
  lines[0].label = "training";
  lines[0].y.assign(losses.data(), losses.data() + losses.size());
  if (held_out.size() > 1) {
    const auto every = static_cast<double>(o.evaluate_every);
    lines.push_back({.label = "held out", .y = held_out, .first = every, .step = every});
  }
  write_png(o.curve, plot(lines, {.title = title, .x_label = "step", .y_label = "nats a character", .smoothing = 0.9}));
}

/// Held-out losses so far are kept with the checkpoints.
std::string joined(const std::vector<double>& values) {
  std::string text;
  char number[32];
  for (const double v : values) {
    std::snprintf(number, sizeof number, "%.17g ", v);  // all of it: a curve is the same after a pause
    text += number;
  }
  return text;
}
std::vector<double> separated(const std::string& text) {
  std::vector<double> values;
  for (std::size_t at = 0, end; (end = text.find(' ', at)) != std::string::npos; at = end + 1)
    values.push_back(std::strtod(text.substr(at, end - at).c_str(), nullptr));
  return values;
}

}  // namespace

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
  Trainer<Gpt<float>> trainer(
      net, {.rate = o.rate, .beta2 = 0.99, .decay = o.decay},
      {.steps = o.steps,
       .clip_norm = 1,
       .schedule = {.decay = Decay::cosine, .warmup = o.warmup, .total = o.steps + 1, .floor = o.floor},
       .seed = o.seed + 77,
       .checkpoint = o.folder,
       .checkpoint_every = o.save_every,
       .keep = 2,
       .items = o.batch * o.context});
  const Resumed resumed = trainer.resume();
  for (const std::string& note : resumed.notes) complain(program, "warning: " + note);
  if (resumed.step > 0) std::fprintf(stderr, "resumed at step %lld\n", static_cast<long long>(resumed.step));
  std::fprintf(stderr, "%s, %lld parameters\n", task.data.c_str(), static_cast<long long>(parameter_count(net)));
  std::vector<double> held_out = separated(trainer.extras()["held out"]);
  // A checkpoint is written before the look at the text of the same step.
  if (o.evaluate_every > 0 && resumed.step > 0 && resumed.step % o.evaluate_every == 0 && resumed.step < o.steps)
    held_out.push_back(task.held_out(net));

  const auto loss = [&](auto& tape, auto& module, const TrainStep& at) {
    const CharBatch b = task.batch(at.noise);
    return cross_entropy(module(tape.ids(b.x), {.share = o.dropout, .noise = at.noise.fork(1)}), b.y);
  };
  const bool live = ::isatty(STDERR_FILENO) != 0;
  const Interrupt interrupt;
  const TrainEnd end = trainer.run(
      loss,
      [&](const TrainProgress& p) {
        if (p.step % (live ? 10 : 100) == 0 || p.step == p.steps)
          std::fprintf(stderr, "%s%s%s", live ? "\r\x1b[K" : "", to_string(p).c_str(), live ? "" : "\n");
        if (o.evaluate_every > 0 && p.step % o.evaluate_every == 0 && p.step != p.steps) {
          held_out.push_back(task.held_out(net));
          trainer.extras()["held out"] = joined(held_out);
          std::fprintf(stderr, "%sstep %lld: held out %.4f nats a character\n", live ? "\n" : "",
                       static_cast<long long>(p.step), held_out.back());
          write_curve(o, task.title, trainer.history(), held_out);
        }
      },
      interrupt);
  if (live) std::fputc('\n', stderr);
  if (end == TrainEnd::interrupted) {
    write_curve(o, task.title, trainer.history(), held_out);
    complain(program, "interrupted; the same command goes on from step " + std::to_string(trainer.steps_done()));
    return std::nullopt;
  }
  held_out.push_back(task.held_out(net));
  write_curve(o, task.title, trainer.history(), held_out);
  GptModel model{std::make_shared<Gpt<float>>(net), {}, {}};
  for (Token t = 0; t < characters.size(); ++t) model.units.push_back(characters.bytes(t));
  to_file(model, DType::f16).write(o.output);
  std::printf("held out %.4f nats a character (%.3f bits) after %lld steps; training took %.1f s\n", held_out.back(),
              held_out.back() / std::log(2.0), static_cast<long long>(trainer.steps_done()), trainer.seconds());
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
