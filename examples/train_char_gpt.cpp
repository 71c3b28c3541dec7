// Trains a small GPT on the characters of a text; examples/write then goes on from any beginning. The last tenth of the text is
// held out and looked at as a whole. Stops with Ctrl-C, goes on where it stopped; a run that was stopped ends with the same bytes
// as one that was not.
//
//   build/examples/train_char_gpt shakespeare.txt --folder run --output char_gpt.safetensors --curve loss.png
//   build/examples/train_char_gpt shakespeare.txt --layers 6 --width 192 --heads 6 --context 128 --batch 32 --steps 6000 --dropout 0.1
//
// The defaults are nanoGPT's recipe for a CPU (Karpathy, 2022): 4 layers, width 128, 2,000 batches of 12 x 64 characters; but
// three times its learning rate, which suits so short a run better (1.77 nats a character on Shakespeare, not 1.92).
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <tessera/autoregressive/gpt_file.hpp>
#include <tessera/io/png.hpp>
#include <tessera/train/interrupt.hpp>
#include <tessera/train/loop.hpp>
#include <tessera/unit/characters.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/plot.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "train_char_gpt";

struct Options {
  std::vector<std::string> text;
  Index steps = 2000, layers = 4, heads = 4, width = 128, context = 64, batch = 12, warmup = 100, evaluate_every = 500,
        save_every = 500, threads = 0;
  double rate = 3e-3, floor = 0.1, decay = 0.1, dropout = 0;
  std::uint64_t seed = 1;
  std::string folder = "run", output = "char_gpt.safetensors", curve;
};

void describe(Cli& cli, Options& o) {
  constexpr Index most = 10'000'000;
  const auto number = [&](const char* name, Index& value, const std::string& help, Index low, Index high) {
    cli.option(name, value, help + " (default " + std::to_string(value) + ")", low, high);
  };
  cli.rest("text", o.text, "the text to learn, UTF-8");
  number("--steps", o.steps, "training steps in all, those of earlier runs included", 1, most);
  number("--layers", o.layers, "blocks of the transformer", 1, 64);
  number("--heads", o.heads, "attention heads", 1, 64);
  number("--width", o.width, "numbers a character, a multiple of the heads", 8, 4096);
  number("--context", o.context, "characters it looks back on", 2, 4096);
  number("--batch", o.batch, "pieces of text a step", 1, 4096);
  cli.option("--rate", o.rate, "greatest learning rate (default 0.003)", 0, 1);
  cli.option("--floor", o.floor, "share of it left at the end of the cosine (default 0.1)", 0, 1);
  number("--warmup", o.warmup, "steps in which the rate rises", 0, most);
  cli.option("--decay", o.decay, "weight decay (default 0.1)", 0, 10);
  cli.option("--dropout", o.dropout, "share of numbers dropped in training (default 0)", 0, 0.9);
  cli.option("--seed", o.seed, "of weights and batches (default 1)");
  cli.option("--folder", o.folder, "where checkpoints go, and a run goes on from (default run)");
  cli.option("--output", o.output, "the finished model, in half precision (default char_gpt.safetensors)");
  cli.option("--curve", o.curve, "a PNG of the losses, with every evaluation");
  number("--evaluate-every", o.evaluate_every, "steps between looks at the held-out text; 0: at the end only", 0, most);
  number("--save-every", o.save_every, "steps between checkpoints", 1, most);
  number("--threads", o.threads, "threads; 0 is as many as there are CPUs", 0, 256);
}

struct Data {
  Characters characters;
  std::vector<std::int32_t> train, held_out;

  static Data read(const std::string& path) {
    const Bytes bytes = read_file(path, std::uint64_t{1} << 30);
    const auto text = as_text(bytes);
    if (const std::size_t bad = utf8_error(text); bad != text.size())
      throw_io(path, "byte " + std::to_string(bad), "UTF-8", "something else");
    Data data{Characters(text), {}, {}};
    data.train = data.characters.encode(text);
    const auto kept = static_cast<std::ptrdiff_t>(data.train.size() * 9 / 10);
    data.held_out.assign(data.train.begin() + kept, data.train.end());
    data.train.resize(static_cast<std::size_t>(kept));
    return data;
  }
};

/// Pieces of `length` characters and the character after each, from the places given.
struct Batch {
  Tensor<std::int32_t> x, y;
};
template <class Place>
Batch cut(const std::vector<std::int32_t>& text, Index count, Index length, const Place& place) {
  Batch b{Tensor<std::int32_t>({count, length}), Tensor<std::int32_t>({count, length})};
  std::int32_t *x = b.x.data(), *y = b.y.data();
  for (Index i = 0; i < count; ++i) {
    const std::int32_t* from = text.data() + place(i);
    for (Index t = 0; t < length; ++t) {
      x[i * length + t] = from[t];
      y[i * length + t] = from[t + 1];
    }
  }
  return b;
}

/// Nats a character over all of a text, cut into pieces of the context's length.
double evaluate(const Gpt<float>& net, const std::vector<std::int32_t>& text) {
  constexpr Index together = 32;
  const Index length = net.config.context, characters = static_cast<Index>(text.size()) - 1;
  double sum = 0;
  const auto add = [&](Index first, Index count, Index each) {
    const Batch b = cut(text, count, each, [&](Index i) { return first + i * each; });
    sum += static_cast<double>(cross_entropy(net(b.x), b.y).item()) * static_cast<double>(count * each);
  };
  const Index pieces = characters / length;
  for (Index p = 0; p < pieces; p += together) add(p * length, std::min(together, pieces - p), length);
  if (const Index rest = characters - pieces * length; rest > 0) add(pieces * length, 1, rest);
  return sum / static_cast<double>(characters);
}

void write_curve(const Options& o, const Tensor<float>& losses, const std::vector<double>& held_out) {
  if (o.curve.empty()) return;
  std::vector<PlotLine> lines(1);
  lines[0].label = "training";
  lines[0].y.assign(losses.data(), losses.data() + losses.size());
  if (held_out.size() > 1) {
    const auto every = static_cast<double>(o.evaluate_every);
    lines.push_back({.label = "held out", .y = held_out, .first = every, .step = every});
  }
  write_png(
      o.curve,
      plot(lines, {.title = "GPT on characters", .x_label = "step", .y_label = "nats a character", .smoothing = 0.9}));
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

int train_char_gpt(int argc, char** argv) {
  Options o;
  Cli cli(program, "Trains a small GPT on the characters of a text.");
  describe(cli, o);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.text.size() != 1) throw argument_error("one text to learn, as in: train_char_gpt shakespeare.txt");
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));

  const Data data = Data::read(o.text[0]);
  if (static_cast<Index>(data.held_out.size()) <= o.context + 1)
    throw argument_error("the text is too short: a tenth of it must be longer than the context, " +
                         std::to_string(o.context));
  Rng rng(o.seed);
  Gpt<float> net({.vocabulary = data.characters.size(),
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
  std::fprintf(stderr, "%zu characters to learn, %zu held out, %zu different ones, %lld parameters\n",
               data.train.size(), data.held_out.size(), static_cast<std::size_t>(data.characters.size()),
               static_cast<long long>(parameter_count(net)));
  std::vector<double> held_out = separated(trainer.extras()["held out"]);
  // A checkpoint is written before the look at the text of the same step.
  if (o.evaluate_every > 0 && resumed.step > 0 && resumed.step % o.evaluate_every == 0 && resumed.step < o.steps)
    held_out.push_back(evaluate(net, data.held_out));

  const auto places = static_cast<Index>(data.train.size()) - o.context;
  const auto loss = [&](auto& tape, auto& module, const TrainStep& at) {
    const Batch b = cut(data.train, o.batch, o.context,
                        [&](Index i) { return at.noise.below(places, static_cast<std::uint64_t>(i)); });
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
          held_out.push_back(evaluate(net, data.held_out));
          trainer.extras()["held out"] = joined(held_out);
          std::fprintf(stderr, "%sstep %lld: held out %.4f nats a character\n", live ? "\n" : "",
                       static_cast<long long>(p.step), held_out.back());
          write_curve(o, trainer.history(), held_out);
        }
      },
      interrupt);
  if (live) std::fputc('\n', stderr);
  if (end == TrainEnd::interrupted) {
    write_curve(o, trainer.history(), held_out);
    complain(program, "interrupted; the same command goes on from step " + std::to_string(trainer.steps_done()));
    return exit_interrupted;
  }
  held_out.push_back(evaluate(net, data.held_out));
  write_curve(o, trainer.history(), held_out);
  GptModel model{std::make_shared<Gpt<float>>(net), {}, {}};
  for (Token t = 0; t < data.characters.size(); ++t) model.units.push_back(data.characters.bytes(t));
  to_file(model, DType::f16).write(o.output);
  std::printf("held out %.4f nats a character (%.3f bits) after %lld steps; training took %.1f s\n", held_out.back(),
              held_out.back() / std::log(2.0), static_cast<long long>(trainer.steps_done()), trainer.seconds());
  std::fprintf(stderr, "wrote %s\n", printable(o.output).c_str());
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, train_char_gpt, argc, argv); }
