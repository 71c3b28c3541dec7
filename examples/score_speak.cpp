// How good a voice is: is the tone that was asked for heard in what it says? A small classifier learns the five tones
// from the real clips, says how often it is right on clips that nobody learned from, and then listens to the voice.
//
//   build/examples/score_speak --weights speak.safetensors --sheet spoken.png
//   build/examples/score_speak --clips 0                                       the classifier alone, on real clips
//   build/examples/score_speak --contours                 the WaveNet alone: it is told how pitch and loudness went
//
// The sheet shows real clips that were held out beside the same syllables as the voice says them.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/generate/metrics/modes.hpp>
#include <tessera/io/png.hpp>
#include <tessera/train/interrupt.hpp>
#include <tessera/train/loop.hpp>
#include <tessera/train/sampler.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/contact_sheet.hpp"
#include "examples/support/output.hpp"
#include "examples/support/rows.hpp"
#include "examples/support/tones.hpp"
#include "examples/support/voice_run.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "score_speak";

struct Options {
  Index steps = 1200, batch = 64, clips = 200;
  std::uint64_t seed = 1;
  std::string weights = TESSERA_WEIGHTS_DIR "/speak.safetensors", sheet;
  SayOptions how;
  bool contours = false;
};

void describe(Cli& cli, Options& o) {
  cli.number("--clips", o.clips, "syllables that the voice says; 0: none, the classifier alone", 0, 100'000);
  cli.number("--steps", o.steps, "training steps of the classifier", 1, 1'000'000);
  cli.number("--batch", o.batch, "clips a step", 1, 4096);
  cli.option("--seed", o.seed, "of the classifier and of the voice (default 1)");
  cli.option("--temperature", o.how.temperature, "how boldly samples are drawn (default 0.7)", 0, 10);
  cli.option("--calm", o.how.calm, "times the temperature, where there is a voice (default 0.25)", 0.01, 10);
  cli.option("--weights", o.weights, "the voice (default: the one that comes with the examples)");
  cli.flag("--contours", o.contours, "say held-out clips again, with the pitch, loudness and length measured in them");
  cli.option("--sheet", o.sheet, "a PNG of spectrograms, real ones beside the voice's");
}

struct Heard {
  Tensor<float> pictures;      // [N, 48, 48, 1]
  Tensor<std::int32_t> tones;  // [N], 0 to 4

  explicit Heard(Index count) : pictures(Shape{count, tone_side, tone_side, 1}), tones(Shape{count}) {}
  void set(Index i, const Tensor<float>& sound, int tone) {
    const Tensor<float> picture = tone_picture(trimmed_voice(sound, voice_rate), voice_rate);
    std::memcpy(pictures.data() + i * picture.size(), picture.data(),
                static_cast<std::size_t>(picture.size()) * sizeof(float));
    tones.data()[i] = tone - 1;
  }
};

Heard hear(const std::vector<VoiceClip>& clips, bool held_out) {
  const auto wanted = [&](const VoiceClip& c) { return c.held_out == held_out; };
  Heard heard(std::count_if(clips.begin(), clips.end(), wanted));
  Index i = 0;
  for (const VoiceClip& c : clips) {
    if (wanted(c)) heard.set(i++, c.samples, c.syllable.tone);
  }
  return heard;
}

/// One line a tone: asked for, heard as.
void print_confusion(const Tensor<float>& logits, const Tensor<std::int32_t>& tones) {
  const Tensor<std::int32_t> heard = most_likely(logits);
  Index table[tone_count][tone_count] = {};
  for (Index i = 0; i < tones.size(); ++i) ++table[tones[i]][heard[i]];
  std::printf("  asked  heard as 1     2     3     4     5   right\n");
  for (Index asked = 0; asked < tone_count; ++asked) {
    std::printf("  %5lld      ", static_cast<long long>(asked + 1));
    Index all = 0;
    for (const Index n : table[asked]) std::printf(" %5lld", static_cast<long long>(n)), all += n;
    if (all > 0) std::printf(" %5.1f %%", 100.0 * static_cast<double>(table[asked][asked]) / static_cast<double>(all));
    std::printf("\n");
  }
}

Tensor<std::uint8_t> spectrogram(const Tensor<float>& sound) {
  const Tensor<float> bands =
      mel_bands(power(stft(sound, {.size = 512, .hop = 64})), {.rate = voice_rate, .bands = 64});
  // All pictures are as wide as a long syllable; what is beyond the end is black.
  constexpr Index frames = 128;
  Tensor<float> fixed(Shape{frames, bands.cols()}, 1e-20F);
  std::copy_n(bands.data(), std::min(frames, bands.rows()) * bands.cols(), fixed.data());
  return spectrogram_picture(fixed, {.scale = 1});
}

/// Pairs: a held-out clip, and the same syllable by the voice.
struct Sheet {
  static constexpr std::size_t pairs = 12;
  std::vector<Tensor<std::uint8_t>> pictures;
  std::vector<std::string> captions;

  void add(const VoiceClip& real, const Tensor<float>& said) {
    if (captions.size() >= 2 * pairs) return;
    pictures.push_back(spectrogram(real.samples));
    pictures.push_back(spectrogram(trimmed_voice(said, voice_rate)));
    captions.push_back(to_zhuyin(real.syllable) + ", real");
    captions.push_back(to_zhuyin(real.syllable) + ", made");
  }
  void write(const std::string& path) const {
    if (pictures.empty()) return;
    const Shape each = pictures[0].shape();
    Tensor<std::uint8_t> all(Shape{static_cast<Index>(pictures.size()), each[0], each[1], 3});
    for (std::size_t i = 0; i < pictures.size(); ++i)
      std::copy_n(pictures[i].data(), pictures[i].size(), all.data() + static_cast<Index>(i) * pictures[i].size());
    write_png(path, contact_sheet(all, captions, {.columns = 4, .upscale = 2}));
  }
};

int score_speak(int argc, char** argv) {
  Options o;
  Cli cli(program, "Says how often the tone asked for is heard in what a voice says.");
  describe(cli, o);
  if (const auto end = cli.parse(argc, argv)) return *end;
  check_writable(o.sheet);
  const auto net = o.clips > 0 ? voice_from_file(Safetensors::read(o.weights)) : nullptr;

  const std::vector<VoiceClip> clips = read_voices({.rate = voice_rate});
  const Heard known = hear(clips, false), unseen = hear(clips, true);
  Rng rng(o.seed);
  ToneClassifier<float> tones(rng);
  EpochSampler batches(known.tones.size(), o.batch, o.seed);
  const Interrupt interrupt;
  const auto result = train(
      tones,
      [&](auto& tape, const auto& n, const TrainStep& at) {
        const Tensor<Index> items = batches(at.batch);
        Tensor<float> pictures = rows_of(known.pictures, items);
        for (Index i = 0; i < o.batch; ++i)
          vary_tone_picture(pictures.data() + i * tone_side * tone_side, at.noise.fork(static_cast<std::uint64_t>(i)));
        return cross_entropy(n(tape.constant(pictures)), rows_of(known.tones, items));
      },
      {.rate = 1e-3, .decay = 0.05},
      {.steps = o.steps,
       .schedule = {.decay = Decay::linear, .hold = o.steps / 2, .floor = 0.02},
       .seed = o.seed,
       .items = o.batch},
      [&](const TrainProgress& p) {
        if (p.step % 200 == 0) std::fprintf(stderr, "%s\n", to_string(p).c_str());
      },
      interrupt);
  const auto interrupted = [&] {
    complain(program, "interrupted; nothing is written");
    return exit_interrupted;
  };
  if (result.end == TrainEnd::interrupted) return interrupted();
  const Tensor<float> of_real = tones(unseen.pictures);
  std::printf("real clips, held out: the tone is heard right in %.1f %% of %lld\n",
              100 * agreement(of_real, unseen.tones), static_cast<long long>(unseen.tones.size()));
  print_confusion(of_real, unseen.tones);
  if (o.clips == 0) return exit_done;

  // The voice says syllables that were held out, each speaker those of its own; again when there are not enough.
  std::vector<const VoiceClip*> asked;
  for (const VoiceClip& c : clips) {
    if (c.held_out) asked.push_back(&c);
  }
  const WaveNetDecoder decoder(net->wavenet);
  const Tensor<Index> order = Noise{o.seed}.permutation(static_cast<Index>(asked.size()));
  Heard made(o.clips);
  Sheet sheet;
  for (Index i = 0; i < o.clips; ++i) {
    const VoiceClip& like = *asked[static_cast<std::size_t>(order[i % order.size()])];
    const Noise noise = Noise{o.seed}.fork(static_cast<std::uint64_t>(i));
    const auto usual = static_cast<float>(net->usual_hertz(like.speaker));
    const Tensor<float> sound = o.contours ? say(*net, decoder, like.syllable, like.speaker,
                                                 contour_of(whole_frames(like.samples), usual), o.how, noise, interrupt)
                                           : say(*net, decoder, like.syllable, like.speaker, o.how, noise, interrupt);
    if (!sound) return interrupted();
    made.set(i, sound, like.syllable.tone);
    sheet.add(like, sound);
    if ((i + 1) % 20 == 0)
      std::fprintf(stderr, "%lld of %lld said\n", static_cast<long long>(i + 1), static_cast<long long>(o.clips));
  }
  const Tensor<float> of_made = tones(made.pictures);
  std::printf("the voice: the tone asked for is heard in %.1f %% of %lld\n", 100 * agreement(of_made, made.tones),
              static_cast<long long>(o.clips));
  print_confusion(of_made, made.tones);
  if (!o.sheet.empty()) sheet.write(o.sheet);
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, score_speak, argc, argv); }
