// Says Mandarin syllables, written in pinyin or zhuyin, sample after sample.
//
//   build/examples/speak "ni3 hao3" -o hello.wav
//   build/examples/speak ㄋㄧˇ ㄏㄠˇ --speaker 5 --temperature 0.8 --spectrogram hello.png
//
// The voice is what examples/train_speak makes; each syllable is spoken by itself, as it was learned.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include <tessera/io/png.hpp>
#include <tessera/io/wav.hpp>
#include <tessera/train/interrupt.hpp>
#include <tessera/unit/spectrogram.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/output.hpp"
#include "examples/support/voice_run.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "speak";

struct Options {
  std::vector<std::string> syllables;
  std::string weights = TESSERA_WEIGHTS_DIR "/speak.safetensors", output = "speak.wav", spectrogram, speaker = "5";
  std::uint64_t seed = 0;
  std::int64_t threads = 0;
  double pause = 0.06;
  SayOptions how;
  bool full = false;
};

void describe(Cli& cli, Options& o) {
  cli.rest("syllables", o.syllables, "what to say: ni3 hao3, or ㄋㄧˇ ㄏㄠˇ");
  cli.option("--output,-o", o.output, "the WAV to write, 16 kHz (default speak.wav)");
  cli.option("--speaker", o.speaker, "3 or 5 (default 5)");
  cli.option("--seed,-s", o.seed, "of the first syllable; the next one has seed + 1 (default 0)");
  cli.option("--temperature", o.how.temperature, "how boldly samples are drawn; 0 takes the likeliest (default 0.7)", 0,
             10);
  cli.option("--calm", o.how.calm, "times the temperature, where there is a voice (default 0.25)", 0.01, 10);
  cli.option("--top-p", o.how.top_p, "draw among the likeliest that have this probability together (default 1)", 0, 1);
  cli.option("--speed", o.how.speed, "how much faster than usual (default 1)", 0.25, 4);
  cli.option("--pause", o.pause, "seconds between syllables (default 0.06)", 0, 10);
  cli.option("--spectrogram", o.spectrogram, "a PNG of what was said");
  cli.option("--weights", o.weights, "the voice (default: the one that comes with the examples)");
  cli.option("--threads,-t", o.threads, "threads; 0 is as many as there are CPUs (default)", 0, 256);
  cli.flag("--f32", o.full, "calculate with whole weights and not with halves");
}

int speak(int argc, char** argv) {
  Options o;
  Cli cli(program, "Says Mandarin syllables, written in pinyin or zhuyin.");
  describe(cli, o);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));
  std::string text;
  for (const std::string& s : o.syllables) text += s + ' ';
  const std::vector<Syllable> syllables = read_syllables(text);
  if (syllables.empty()) throw argument_error("nothing to say: give syllables, as in: speak ni3 hao3");
  const int speaker = speaker_number(o.speaker);
  check_writable(o.output);
  check_writable(o.spectrogram);

  const auto net = voice_from_file(Safetensors::read(o.weights));
  const WaveNetDecoder decoder(net->wavenet, {.half = !o.full});
  const Interrupt interrupt;
  std::vector<float> all;
  double seconds = 0;
  for (std::size_t i = 0; i < syllables.size(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    const Tensor<float> sound = say(*net, decoder, syllables[i], speaker, o.how, Noise{o.seed + i}, interrupt);
    if (!sound) {
      complain(program, "interrupted; nothing is written");
      return exit_interrupted;
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    seconds += taken.count();
    std::fprintf(stderr, "%s  %.2f s of sound, %.0f samples/s\n", to_zhuyin(syllables[i]).c_str(),
                 static_cast<double>(sound.size()) / voice_rate, static_cast<double>(sound.size()) / taken.count());
    if (i > 0) all.resize(all.size() + static_cast<std::size_t>(o.pause * voice_rate), 0.0F);
    const float* samples = sound.data();
    all.insert(all.end(), samples, samples + sound.size());
  }
  const auto sound = Tensor<float>::from({static_cast<Index>(all.size())}, all);
  write_wav(o.output, sound, voice_rate);
  std::fprintf(stderr, "wrote %s: %.2f s, made in %.2f s\n", printable(o.output).c_str(),
               static_cast<double>(sound.size()) / voice_rate, seconds);
  if (!o.spectrogram.empty())
    write_png(o.spectrogram,
              spectrogram_picture(mel_bands(power(stft(sound, {.size = 1024, .hop = 64})), {.rate = voice_rate}),
                                  {.scale = 3}));
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, speak, argc, argv); }
