// Trains the voice of examples/speak: a WaveNet that learns to say Mandarin syllables from Debian's gcin-voice.
//
//   build/examples/train_speak --steps 12000 --folder voice --curve voice.png -o speak.safetensors
//   build/examples/train_speak --folder voice --export -o speak.safetensors        the newest checkpoint, no training
//   build/examples/train_speak --from speak.safetensors --folder more --steps 9000  goes on from finished weights
//
// Stop it whenever you like: the same command goes on where it was. Losses are in bits a sample; beside them stands
// what a model would need that knows no more than how often each level comes (a unigram model). Those of training are
// higher than those of held-out clips: what the network reads there is disturbed.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/io/png.hpp>
#include <tessera/train/interrupt.hpp>
#include <tessera/train/sampler.hpp>
#include <tessera/train/trainer.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/plot.hpp"
#include "examples/support/training.hpp"
#include "examples/support/training_options.hpp"
#include "examples/support/twin_file.hpp"
#include "examples/support/voice.hpp"
#include "examples/support/voice_model.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "train_speak";

struct Options : TrainingOptions {
  Options()
      : TrainingOptions{.steps = 12000,
                        .batch = 4,
                        .save_every = 500,
                        .rate = 2e-3,
                        .folder = "voice",
                        .output = "speak.safetensors"} {}
  Index frames = 32, test_every = 1000, clips = 0;
  double disturb = 12;
  std::string twin, from;
  VoiceNet<float>::Config net;
};

/// A clip as units, whole frames of them, silence at the end; and how it moves.
struct Spoken {
  Syllable syllable;
  int speaker;
  Tensor<std::int32_t> units;  // [frames * hop]
  VoiceContour contour;
  Index frames() const { return contour.frames(); }
};

struct Data {
  std::vector<Spoken> train, held_out;

  explicit Data(Index most) {
    const Compander code;
    for (const VoiceClip& clip : read_voices({.rate = voice_rate, .most = static_cast<std::size_t>(most)})) {
      const Tensor<float> whole = whole_frames(clip.samples);
      Tensor<std::int32_t> units = code.encode(whole);
      std::fill(units.data() + clip.samples.size(), units.data() + units.size(), code.silence());
      (clip.held_out ? held_out : train)
          .push_back({clip.syllable, clip.speaker, units, contour_of(whole, no_voice_hertz)});
    }
    if (train.empty() || held_out.empty()) throw argument_error("too few clips to hold any out; ask for more of them");
  }

  /// How often each level comes in the training samples.
  std::vector<double> frequencies() const {
    std::vector<double> count(256, 1.0);
    double sum = 256;
    for (const Spoken& s : train) {
      for (const std::int32_t level : s.units.span()) ++count[static_cast<std::size_t>(level)];
      sum += static_cast<double>(s.units.size());
    }
    for (double& c : count) c /= sum;
    return count;
  }

  /// Bits a held-out sample costs under these.
  double unigram_bits(const std::vector<double>& frequencies) const {
    double bits = 0, samples = 0;
    for (const Spoken& s : held_out) {
      for (const std::int32_t level : s.units.span()) bits -= std::log2(frequencies[static_cast<std::size_t>(level)]);
      samples += static_cast<double>(s.units.size());
    }
    return bits / samples;
  }

  Tensor<float> durations() const {
    Tensor<float> mean(Shape{voice_speaker_count, 6}, 0.0F), count(mean.shape(), 0.0F);
    for (const Spoken& s : train) {
      mean.data()[s.speaker * 6 + s.syllable.tone] += static_cast<float>(s.frames());
      count.data()[s.speaker * 6 + s.syllable.tone] += 1;
    }
    for (Index i = 0; i < mean.size(); ++i) mean.data()[i] = count[i] > 0 ? mean[i] / count[i] : 80.0F;
    return mean;
  }

  /// Each speaker's usual hertz: the geometric mean where there is a voice.
  Tensor<float> pitches() const {
    Tensor<float> mean(Shape{voice_speaker_count});
    for (int who = 0; who < voice_speaker_count; ++who) {
      double sum = 0, count = 0;
      for (const Spoken& s : train) {
        if (s.speaker != who) continue;
        for (Index f = 0; f < s.frames(); ++f) {
          if (s.contour.voiced[f] > 0) sum += std::log(static_cast<double>(s.contour.hertz[f])), ++count;
        }
      }
      mean.data()[who] = count > 0 ? static_cast<float>(std::exp(sum / count)) : no_voice_hertz;
    }
    return mean;
  }

  static constexpr float no_voice_hertz = 200;
};

/// What the network reads and what it should say. Samples before a clip's beginning are silence.
struct Batch {
  VoiceRows rows;
  Tensor<std::int32_t> before, units;  // [B, T]

  Batch(Index batch, Index frames)
      : rows(batch, frames * (voice_hop / voice_step)),
        before(Shape{batch, frames * voice_hop}),
        units(before.shape()) {}

  /// Row b: frame `first` ... of the clip; beyond its end nothing counts.
  void set(Index b, const Spoken& s, double usual, Index first) {
    const Index length = units.extent(1), start = first * voice_hop;
    rows.set(b, s.syllable, s.speaker, s.contour, usual, start / voice_step);
    std::int32_t* in = before.data() + b * length;
    std::int32_t* out = units.data() + b * length;
    const std::int32_t silence = Compander().silence();
    for (Index t = 0; t < length; ++t) {
      const Index at = start + t;
      in[t] = at < 1 || at > s.units.size() ? silence : s.units[at - 1];
      out[t] = at < s.units.size() ? s.units[at] : -1;
    }
  }

  /// Moves what is read in row b by normal numbers of up to `most` levels, and in every second row holds one level for
  /// a while. What a voice hears of itself is never quite as it should be, and now and then it gets stuck; it learns
  /// here to come back (noise: Valin and Skoglund, 2018, LPCNet, arXiv 1810.11846).
  void disturb(Index b, double most, const Noise& noise) {
    const Index length = units.extent(1);
    std::int32_t* in = before.data() + b * length;
    if (noise.below(2, 2) == 0) {
      const Index first = noise.below(length, 3), last = std::min(first + 50 + noise.below(600, 4), length);
      std::fill(in + first, in + last,
                noise.below(2, 5) == 0 ? in[first] : static_cast<std::int32_t>(noise.below(256, 6)));
    }
    const double amount = most * noise.unit(0) * noise.unit(1);
    const Tensor<float> off = noise.fork(0).normal<float>({length});
    for (Index t = 0; t < length; ++t)
      in[t] = std::clamp(in[t] + static_cast<std::int32_t>(std::lround(amount * static_cast<double>(off[t]))), 0, 255);
  }
};

/// A piece of each clip: one in four its beginning, the others anywhere.
Batch training_batch(const Data& data, const VoiceNet<float>& net, const Options& o, const Tensor<Index>& items,
                     const Noise& noise) {
  Batch batch(o.batch, o.frames);
  for (Index b = 0; b < o.batch; ++b) {
    const Spoken& s = data.train[static_cast<std::size_t>(items[b])];
    const Index last = s.frames() - o.frames;
    const bool beginning = last <= 0 || noise.below(4, static_cast<std::uint64_t>(2 * b)) == 0;
    batch.set(b, s, net.usual_hertz(s.speaker),
              beginning ? 0 : noise.below(last + 1, static_cast<std::uint64_t>(2 * b + 1)));
    if (o.disturb > 0) batch.disturb(b, o.disturb, noise.fork(2).fork(static_cast<std::uint64_t>(b)));
  }
  return batch;
}

/// What the contour's network reads and should say: frames anywhere in clips anywhere.
struct ContourBatch {
  static constexpr Index size = 768;
  VoicePoints points{1, size};
  ContourTargets targets{1, size};

  ContourBatch(const Data& data, const VoiceNet<float>& net, const Noise& noise) {
    for (Index i = 0; i < size; ++i) {
      const Index clip = noise.below(static_cast<Index>(data.train.size()), static_cast<std::uint64_t>(2 * i));
      const Spoken& s = data.train[static_cast<std::size_t>(clip)];
      const Index frame = noise.below(s.frames(), static_cast<std::uint64_t>(2 * i + 1));
      points.set(i, s.syllable, s.speaker, static_cast<double>(frame) + 0.5, static_cast<double>(s.frames()));
      targets.set(i, s.contour, frame, net.usual_hertz(s.speaker));
    }
  }
};

void see(TwinFile& twin, const TrainStep& at, const std::string& name, const VoicePoints& points) {
  for (std::size_t k = 0; k < points.parts.size(); ++k) twin.see(at, name + '.' + std::to_string(k), points.parts[k]);
  twin.see(at, name + ".place", points.place);
}

/// Bits a sample over held-out clips, whole, at most `most` of them.
double held_out_bits(const Data& data, const VoiceNet<float>& net, std::size_t most) {
  double bits = 0, samples = 0;
  for (std::size_t i = 0; i < data.held_out.size() && i < most; ++i) {
    const Spoken& s = data.held_out[i];
    Batch batch(1, s.frames());
    batch.set(0, s, net.usual_hertz(s.speaker), 0);
    const double nats =
        static_cast<double>(cross_entropy(net.wavenet(batch.before, net.features(batch.rows)), batch.units).item());
    bits += nats / std::log(2.0) * static_cast<double>(s.units.size());
    samples += static_cast<double>(s.units.size());
  }
  return bits / samples;
}

/// How near the predicted contours of held-out clips are to what was measured in them.
void say_contours(const Data& data, const VoiceNet<float>& net) {
  double semitones = 0, voiced = 0, decibels = 0, right = 0, frames = 0;
  for (const Spoken& s : data.held_out) {
    const VoiceContour c =
        predicted_contour(net.contour, s.syllable, s.speaker, s.frames(), net.usual_hertz(s.speaker));
    for (Index f = 0; f < s.frames(); ++f) {
      const double off = 12 * std::log2(static_cast<double>(c.hertz[f] / s.contour.hertz[f]));
      const auto louder = static_cast<double>(c.loudness[f] - s.contour.loudness[f]);
      if (s.contour.voiced[f] > 0) semitones += off * off, ++voiced;
      decibels += louder * louder;
      right += c.voiced[f] == s.contour.voiced[f] ? 1 : 0;
      ++frames;
    }
  }
  std::fprintf(stderr,
               "held out, predicted from syllable, tone, speaker and length: pitch within %.2f semitones, loudness "
               "within %.1f dB (root mean squares), voice or none right in %.1f %% of frames\n",
               std::sqrt(semitones / std::max(voiced, 1.0)), std::sqrt(decibels / frames), 100 * right / frames);
}

void write_curve(const std::string& path, const Tensor<float>& losses, double unigram) {
  if (path.empty() || losses.size() == 0) return;
  std::vector<double> bits, line;
  for (Index i = 0; i < losses.size(); ++i) {
    bits.push_back(static_cast<double>(losses[i]) / std::log(2.0));
    line.push_back(unigram);
  }
  const std::vector<PlotLine> lines = {{.label = "WaveNet, training", .y = bits}, {.label = "unigram", .y = line}};
  write_png(path, plot(lines, {.title = "Mandarin syllables, 16 kHz", .x_label = "step", .y_label = "bits a sample"}));
}

void describe(Cli& cli, Options& o) {
  constexpr Index most = 10'000'000;
  describe(cli, o,
           {.batch_of = "clips",
            .rate = "learning rate",
            .seed_of = "weights, order and pieces",
            .output = "the finished voice, in half precision",
            .exported = "the newest checkpoint's averaged weights",
            .most_batch = 256});
  cli.number("--frames", o.frames, "frames of 5 ms of each", 1, 2000);
  cli.number("--disturb", o.disturb, "levels by which what is read is moved, at most", 0, 100);
  cli.number("--residual", o.net.residual, "channels between layers", 1, 1024);
  cli.number("--skip", o.net.skip, "channels of the sum", 1, 1024);
  cli.number("--cycles", o.net.cycles, "times through the dilations", 1, 16);
  cli.number("--depth", o.net.depth, "dilations 1 ... 2^(n - 1)", 1, 16);
  cli.option("--clips", o.clips, "learn from so many clips only; 0: all (default)", 0, 100000);
  cli.option("--from", o.from, "weights to start from, as --output writes them; they say how large the network is");
  cli.number("--test-every", o.test_every, "steps between looks at held-out clips; 0: only at the end", 0, most);
  cli.option("--twin", o.twin, TwinFile::help);
}

/// What is counted and not trained; new weights start from the levels' frequencies.
void learn_frequencies(const Data& data, VoiceNet<float>& net, bool fresh) {
  net.durations.value = data.durations();
  net.pitches.value = data.pitches();
  if (!fresh) return;
  const std::vector<double> frequencies = data.frequencies();
  for (std::size_t i = 0; i < frequencies.size(); ++i)
    net.wavenet.last.bias->value.data()[i] = static_cast<float>(std::log(frequencies[i]));
}

int train_speak(int argc, char** argv) {
  Options o;
  Cli cli(program, "Trains the voice of examples/speak on the syllables of Debian's gcin-voice.");
  describe(cli, o);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));

  Rng rng(o.seed);
  VoiceNet<float> net = o.from.empty() ? VoiceNet<float>(o.net, rng) : *voice_from_file(Safetensors::read(o.from));
  std::optional<Data> clips;
  if (!o.only_export) learn_frequencies(clips.emplace(o.clips), net, o.from.empty());
  TrainConfig config = o.config({.decay = Decay::cosine, .warmup = std::min<Index>(200, o.steps / 10), .floor = 0.02});
  config.ema_decay = 0.999;
  config.seed = o.seed;
  config.items = o.batch * o.frames * voice_hop;
  Trainer<VoiceNet<float>> trainer(net, {.rate = o.rate, .beta2 = 0.99}, config);
  const Resumed resumed = go_on(program, trainer);
  if (o.only_export) {
    o.check_export(resumed);
    to_file(*trainer.average()).write(o.output);
    std::fprintf(stderr, "wrote %s: the weights of step %lld\n", printable(o.output).c_str(),
                 static_cast<long long>(resumed.step));
    return exit_done;
  }

  const Data& data = *clips;
  const double unigram = data.unigram_bits(data.frequencies());
  std::fprintf(stderr, "%zu clips to learn, %zu held out, %lld parameters; a unigram model needs %.3f bits a sample\n",
               data.train.size(), data.held_out.size(), static_cast<long long>(parameter_count(net)), unigram);

  const auto test = [&](const VoiceNet<float>& with, std::size_t most) {
    const double bits = held_out_bits(data, with, most);
    std::fprintf(stderr, "held out: %.3f bits a sample, %.1f %% below the unigram model's\n", bits,
                 100 * (1 - bits / unigram));
  };
  EpochSampler sampler(static_cast<Index>(data.train.size()), o.batch, o.seed);
  TwinFile twin(o.twin, "voice", trainer, {{"depth", net.config.depth}});
  const Interrupt interrupt;
  ProgressLine line(5, 50);
  const TrainEnd end = trainer.run(
      [&](auto& tape, const auto& with, const TrainStep& at) {
        const Batch batch = training_batch(data, with, o, sampler(at.batch), at.noise);
        const ContourBatch contours(data, with, at.noise.fork(1));
        twin.see(at, "before", batch.before);
        twin.see(at, "units", batch.units);
        twin.see(at, "moving", batch.rows.moving);
        see(twin, at, "rows", batch.rows.points);
        see(twin, at, "points", contours.points);
        twin.see(at, "values", contours.targets.values);
        twin.see(at, "weights", contours.targets.weights);
        // The two networks share no weights, and Adam's steps are the same for a loss of any size: so small that the
        // figures shown are the WaveNet's.
        return cross_entropy(with.wavenet(tape.ids(batch.before), with.features(tape, batch.rows)), batch.units) +
               contours.targets.loss(with.contour(tape, contours.points)) * 0.01F;
      },
      [&](const TrainProgress& p) {
        char bits[32];
        std::snprintf(bits, sizeof bits, "  (%.3f bits)", p.smoothed / std::log(2.0));
        line(p, bits);
        if (p.saved) write_curve(o.curve, trainer.history(), unigram);
        if (o.test_every > 0 && p.step % o.test_every == 0 && p.step != p.steps) {
          line.finish();
          test(net, 16);
        }
      },
      interrupt);
  line.finish();
  twin.write(trainer);
  write_curve(o.curve, trainer.history(), unigram);
  if (end == TrainEnd::interrupted) { return say_interrupted(program, trainer); }
  std::fprintf(stderr, "weights as they are: ");
  test(net, 64);
  std::fprintf(stderr, "averaged weights:    ");
  test(*trainer.average(), 64);
  say_contours(data, *trainer.average());
  to_file(*trainer.average()).write(o.output);
  std::fprintf(stderr, "wrote %s\n", printable(o.output).c_str());
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, train_speak, argc, argv); }
