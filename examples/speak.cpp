// Says Mandarin syllables, written in pinyin or zhuyin, sample after sample.
//
//   build/examples/speak "ni3 hao3" -o hello.wav
//   build/examples/speak ㄋㄧˇ ㄏㄠˇ --speaker 5 --temperature 0.8 --spectrogram hello.png
//   build/examples/speak --file lines.txt --batch 2 -o 'line-%03d.wav' --json
//   build/examples/speak --repro line-001.wav -o again.wav                 the same bytes
//
// The voice is what examples/train_speak makes; each syllable is spoken by itself, as it was learned.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <tessera/io/json_text.hpp>
#include <tessera/io/png.hpp>
#include <tessera/io/wav.hpp>
#include <tessera/train/interrupt.hpp>
#include <tessera/unit/spectrogram.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/output.hpp"
#include "examples/support/speak_job.hpp"
#include "examples/support/stored_settings.hpp"
#include "examples/support/voice_run.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "speak";

struct Options {
  std::vector<std::string> syllables;
  std::string file, repro, weights = TESSERA_WEIGHTS_DIR "/speak.safetensors", output, spectrogram, speaker = "5";
  std::uint64_t seed = 0;
  std::int64_t threads = 0, batch = 1;
  double pause = 0.06;
  SayOptions how;
  bool whole = false, json = false;
};

void describe(Cli& cli, Options& o) {
  cli.rest("syllables", o.syllables, "what to say: ni3 hao3, or ㄋㄧˇ ㄏㄠˇ");
  cli.option("--file,-f", o.file, "a file with one thing to say a line; - is standard input");
  cli.option("--speaker", o.speaker, "3 or 5 (default 5)");
  cli.option("--seed,-s", o.seed, "of the first syllable; the next one has seed + 1 (default 0)");
  cli.option("--temperature", o.how.temperature, "how boldly samples are drawn; 0 takes the likeliest (default 0.7)", 0,
             10);
  cli.option("--calm", o.how.calm, "times the temperature, where there is a voice (default 0.25)", 0.01, 10);
  cli.option("--top-p", o.how.top_p, "draw among the likeliest that have this probability together (default 1)", 0, 1);
  cli.option("--speed", o.how.speed, "how much faster than usual (default 1)", 0.25, 4);
  cli.option("--pause", o.pause, "seconds between syllables (default 0.06)", 0, 10);
  cli.flag("--f32", o.whole, "calculate with whole weights and not with halves");
  cli.option("--batch,-b", o.batch, "sounds of each thing to say (default 1)", 1, 10000);
  cli.option("--output,-o", o.output,
             "WAV to write, 16 kHz; %03d is the sound's number, from 0; - is standard output (default speak.wav or "
             "speak-%03d.wav)");
  cli.option("--spectrogram", o.spectrogram, "a PNG of what was said, first");
  cli.option("--repro", o.repro, "a WAV made by this program: say it again by its stored settings");
  cli.option("--weights", o.weights, "the voice (default: the one that comes with the examples)");
  cli.option("--threads,-t", o.threads, "threads; 0 is as many as there are CPUs (default)", 0, 256);
  cli.flag("--json", o.json, "a line of JSON for each sound on standard output");
}

std::vector<SpeakJob> jobs_of(const Cli& cli, const Options& o) {
  if (!o.repro.empty()) {
    for (const char* stored : {"syllables", "--file", "--speaker", "--seed", "--temperature", "--calm", "--top-p",
                               "--speed", "--pause", "--f32", "--batch"}) {
      if (cli.given(stored))
        throw argument_error(std::string("--repro takes what to say from its file; leave out ") + stored);
    }
    return {read_speak_job(o.repro)};
  }
  std::vector<std::string> texts(1);
  for (const std::string& s : o.syllables) texts.front() += s + ' ';
  if (o.syllables.empty()) texts.clear();
  if (!o.file.empty())
    for (std::string& line : read_lines(o.file, "syllable")) texts.push_back(std::move(line));
  std::vector<SpeakJob> jobs;
  std::uint64_t seed = o.seed;
  for (const std::string& text : texts) {
    const std::vector<Syllable> syllables = read_syllables(text);
    if (syllables.empty()) continue;
    for (Index i = 0; i < o.batch; ++i, seed += syllables.size())
      jobs.push_back({.syllables = syllables,
                      .seed = seed,
                      .speaker = speaker_number(o.speaker),
                      .how = o.how,
                      .pause = o.pause,
                      .whole = o.whole});
  }
  if (jobs.empty()) throw argument_error("nothing to say: give syllables, as in: speak ni3 hao3");
  return jobs;
}

/// Everything that can be known to fail is said before the speaking.
void check_outputs(const Options& o, const std::vector<std::string>& files) {
  const bool to_stdout = files.front() == "-";
  if (to_stdout && o.json) throw argument_error("--json and --output - would both write to standard output");
  if (to_stdout && ::isatty(STDOUT_FILENO) != 0)
    throw argument_error("standard output is a terminal; redirect it, or name a file with --output");
  for (const std::string& file : files) check_writable(file);
  check_writable(o.spectrogram);
  if (std::find(files.begin(), files.end(), o.spectrogram) != files.end())
    throw argument_error("two outputs are called " + quoted(o.spectrogram, 80));
}

std::string json_line(const SpeakJob& job, const std::string& file, double sound, double taken) {
  std::string line = "{\"file\": ";
  append_json(line, valid_utf8(file) ? file : printable(file));
  line += ", \"text\": ";
  append_json(line, job.text());
  char rest[160];
  std::snprintf(rest, sizeof rest,
                ", \"seed\": %llu, \"speaker\": \"%s\", \"sound_seconds\": %.3f, \"seconds\": %.3f}\n",
                static_cast<unsigned long long>(job.seed), voice_speakers[job.speaker], sound, taken);
  return line + rest;
}

/// All syllables with the pauses between them, [T]; none at all when interrupted.
Tensor<float> sound_of(const SpeakJob& job, const VoiceNet<float>& net, const WaveNetDecoder& decoder,
                       const Interrupt& interrupt, bool quiet) {
  std::vector<float> all;
  for (std::size_t i = 0; i < job.syllables.size(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    const Tensor<float> sound =
        say(net, decoder, job.syllables[i], job.speaker, job.how, Noise{job.seed + i}, interrupt);
    if (!sound) return {};
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    if (!quiet)
      std::fprintf(stderr, "%s  %.2f s of sound, %.0f samples/s\n", to_zhuyin(job.syllables[i]).c_str(),
                   static_cast<double>(sound.size()) / voice_rate, static_cast<double>(sound.size()) / taken.count());
    if (i > 0) all.resize(all.size() + static_cast<std::size_t>(job.pause * voice_rate), 0.0F);
    all.insert(all.end(), sound.data(), sound.data() + sound.size());
  }
  return Tensor<float>::from({static_cast<Index>(all.size())}, all);
}

int speak(int argc, char** argv) {
  Options o;
  Cli cli(program, "Says Mandarin syllables, written in pinyin or zhuyin.");
  describe(cli, o);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));
  std::vector<SpeakJob> jobs = jobs_of(cli, o);
  const std::string usual_output = jobs.size() == 1 ? "speak.wav" : "speak-%03d.wav";
  const auto files = output_names(o.output.empty() ? usual_output : o.output, jobs.size(), "sound");
  check_outputs(o, files);

  Bytes bytes = read_file(o.weights);
  const std::string fingerprint = fingerprint_of(bytes);
  if (!o.repro.empty() && jobs.front().weights != fingerprint)
    throw io_error(printable(o.repro) + ": made with another voice, " + quoted(jobs.front().weights, 40) + ", but " +
                   printable(o.weights) + " is " + fingerprint + "; name the right one with --weights");
  const auto net = voice_from_file(Safetensors::parse(std::move(bytes), o.weights));
  const WaveNetDecoder decoder(net->wavenet, {.half = !jobs.front().whole});
  const Interrupt interrupt;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    SpeakJob& job = jobs[i];
    job.weights = fingerprint;
    const auto start = std::chrono::steady_clock::now();
    const Tensor<float> sound = sound_of(job, *net, decoder, interrupt, o.json);
    if (!sound) {
      complain(program,
               i == 0 ? "interrupted; nothing is written" : "interrupted after " + std::to_string(i) + " sounds");
      return exit_interrupted;
    }
    const double seconds = static_cast<double>(sound.size()) / voice_rate;
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    const Bytes wav = encode_wav(sound, voice_rate, {.texts = job.texts()});
    if (files[i] == "-")
      write_stdout(wav);
    else
      write_file(files[i], wav);
    if (o.json)
      write_stdout(as_bytes(json_line(job, files[i], seconds, taken.count())));
    else if (files[i] != "-")
      std::fprintf(stderr, "wrote %s: %.2f s, made in %.2f s\n", printable(files[i]).c_str(), seconds, taken.count());
    if (i == 0 && !o.spectrogram.empty())
      write_png(o.spectrogram,
                spectrogram_picture(mel_bands(power(stft(sound, {.size = 1024, .hop = 64})), {.rate = voice_rate}),
                                    {.scale = 3}));
  }
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, speak, argc, argv); }
