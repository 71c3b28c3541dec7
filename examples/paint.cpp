// A sentence becomes a picture.
//
//   build/examples/paint "a red heart"
//   build/examples/paint -p "一隻狗" -p "a rocket" --seed 7 --batch 2 -o 'out-%03d.png' --preview forming.gif
//   build/examples/paint --repro out-001.png -o again.png                  the same bytes
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <tessera/diffusion/text_to_image_file.hpp>
#include <tessera/io/gif.hpp>
#include <tessera/io/png.hpp>
#include <tessera/train/interrupt.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/contact_sheet.hpp"
#include "examples/support/paint_job.hpp"
#include "examples/support/terminal_picture.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "paint";

struct Options {
  std::vector<std::string> bare, prompts;
  std::string prompts_file, output, preview, sheet, repro;
  std::string weights = TESSERA_WEIGHTS_DIR "/paint.safetensors";
  std::uint64_t seed = 0;
  std::int64_t steps = PaintOptions{}.steps, batch = 1, threads = 0, scale = 4;
  double guidance = PaintOptions{}.guidance;
  std::string solver = name_of(PaintOptions{}.solver);
  bool json = false;

  bool preview_in_terminal() const { return preview == "terminal"; }
  bool preview_as_gif() const { return !preview.empty() && !preview_in_terminal(); }
};

void describe(Cli& cli, Options& o) {
  cli.rest("prompts", o.bare, "what to paint");
  cli.option("--prompt,-p", o.prompts, "what to paint (may be given several times)");
  cli.option("--prompts", o.prompts_file, "a file with one prompt a line; - is standard input");
  cli.option("--seed,-s", o.seed, "seed of the first picture; the next one has seed + 1 (default 0)");
  cli.option("--steps", o.steps, "denoising steps (default " + std::to_string(o.steps) + ")", 1, 1000);
  cli.option("--cfg-scale", o.guidance,
             "how closely to follow the words; 1 is the model's own taste (default " + number_text(o.guidance) + ")", 0,
             100);
  cli.option("--solver", o.solver, "euler, heun or multistep (default " + o.solver + ")");
  cli.option("--batch,-b", o.batch, "pictures of each prompt (default 1)", 1, 10000);
  cli.option(
      "--output,-o", o.output,
      "PNG to write; %03d is the picture's number, from 0; - is standard output (default paint.png or paint-%03d.png)");
  cli.option("--sheet", o.sheet, "a PNG with all pictures and their prompts");
  cli.option("--preview", o.preview, "`terminal`, or a file.gif: the first picture as it forms, every step");
  cli.option("--scale", o.scale, "pixels a side for each pixel in the sheet and the GIF (default 4)", 1, 32);
  cli.option("--repro", o.repro, "a PNG made by this program: paint it again by its stored settings");
  cli.option("--weights", o.weights, "the model (default: the one that comes with the examples)");
  cli.option("--threads,-t", o.threads, "threads; 0 is as many as there are CPUs (default)", 0, 256);
  cli.flag("--json", o.json, "a line of JSON for each picture on standard output");
}

std::vector<PaintJob> jobs_of(const Cli& cli, const Options& o) {
  if (!o.repro.empty()) {
    for (const char* stored :
         {"prompts", "--prompt", "--prompts", "--seed", "--steps", "--cfg-scale", "--solver", "--batch"}) {
      if (cli.given(stored))
        throw argument_error(std::string("--repro takes what to paint from its file; leave out ") + stored);
    }
    return {read_paint_job(o.repro)};
  }
  std::vector<std::string> prompts = o.bare;
  prompts.insert(prompts.end(), o.prompts.begin(), o.prompts.end());
  if (!o.prompts_file.empty()) {
    const auto more = read_prompts(o.prompts_file);
    prompts.insert(prompts.end(), more.begin(), more.end());
  }
  if (prompts.empty()) throw argument_error("nothing to paint: give a sentence, as in: paint \"a red heart\"");
  std::vector<PaintJob> jobs;
  for (const std::string& prompt : prompts) {
    check_prompt(prompt);
    for (std::int64_t i = 0; i < o.batch; ++i)
      jobs.push_back({.prompt = prompt,
                      .seed = o.seed + jobs.size(),
                      .steps = o.steps,
                      .guidance = o.guidance,
                      .solver = solver_named(o.solver),
                      .shift = PaintOptions{}.shift});
  }
  return jobs;
}

/// Everything that can be known to fail is said before the painting.
void check_outputs(const Options& o, const std::vector<std::string>& files) {
  const bool to_stdout = files.front() == "-";
  if (to_stdout && o.json) throw argument_error("--json and --output - would both write to standard output");
  if (to_stdout && ::isatty(STDOUT_FILENO) != 0)
    throw argument_error("standard output is a terminal; redirect it, or name a file with --output");
  if (o.preview_as_gif() && !o.preview.ends_with(".gif"))
    throw argument_error("--preview takes `terminal` or a file that ends in .gif, not " + quoted(o.preview, 80));
  std::vector<std::string> all = files;
  if (!o.sheet.empty()) all.push_back(o.sheet);
  if (o.preview_as_gif()) all.push_back(o.preview);
  for (const std::string& file : all) check_writable(file);
  std::sort(all.begin(), all.end());
  if (const auto twice = std::adjacent_find(all.begin(), all.end()); twice != all.end())
    throw argument_error("two outputs are called " + quoted(*twice, 80));
}

std::string json_line(const PaintJob& job, const std::string& file, double seconds) {
  std::string line = "{\"file\": ";
  append_json(line, valid_utf8(file) ? file : printable(file));
  line += ", \"prompt\": ";
  append_json(line, job.prompt);
  char rest[160];
  std::snprintf(rest, sizeof rest, ", \"seed\": %llu, \"steps\": %lld, \"cfg_scale\": %s, \"seconds\": %.3f}\n",
                static_cast<unsigned long long>(job.seed), static_cast<long long>(job.steps),
                number_text(job.guidance).c_str(), seconds);
  return line + rest;
}

/// The program at work: paints the jobs a few at a time and keeps what the sheet and the GIF need.
class Painter {
 public:
  Painter(const Options& options, const TextToImage& model)
      : o_(options), model_(model), screen_(options.preview_in_terminal() && terminal_shows_pictures()) {
    if (o_.preview_in_terminal() && !screen_.on())
      complain(program, "warning: no preview, as standard error is no terminal that shows colours");
  }

  /// Paints jobs of equal settings together; each comes out as it would alone. False when interrupted.
  bool paint(std::span<const PaintJob> jobs, std::span<const std::string> files, const Interrupt& interrupt) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::string> texts;
    std::vector<Noise> noises;
    for (const PaintJob& job : jobs) {
      texts.push_back(job.prompt);
      noises.push_back(Noise{job.seed});
      warn_if_long(job.prompt);
      say("seed " + std::to_string(job.seed) + ": " + printable(job.prompt, 60));
    }
    const PaintJob& first = jobs.front();
    auto run =
        model_.begin(texts, noises,
                     {.steps = first.steps, .guidance = first.guidance, .solver = first.solver, .shift = first.shift});
    while (!interrupt() && run.step()) {
      if (made_.empty()) keep_preview(run);
      show_progress(run);
    }
    if (!run.done() || interrupt()) {
      if (live_) std::fputc('\n', stderr);
      complain(program, "interrupted; what was forming is not written");
      return false;
    }
    const Tensor<float> pictures = run.finish();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      made_.push_back(picture_of(pictures, static_cast<Index>(i)));
      write(jobs[i], files[i], taken.count() / static_cast<double>(jobs.size()));
    }
    return true;
  }

  void write_sheet(const std::vector<PaintJob>& jobs) const {
    std::vector<std::string> captions;
    for (const PaintJob& job : jobs) captions.push_back(printable(job.prompt));
    write_png(o_.sheet, contact_sheet(stacked(made_), captions, {.upscale = static_cast<int>(o_.scale)}));
    say("wrote " + printable(o_.sheet));
  }

  void write_preview() const {
    std::vector<Tensor<std::uint8_t>> frames;
    for (const auto& version : versions_) frames.push_back(enlarged(version, o_.scale));
    write_gif(o_.preview, frames, {.delay = 8, .last_delay = 150});
    say("wrote " + printable(o_.preview));
  }

 private:
  void say(const std::string& text) const {
    if (!o_.json || live_) std::fputs((text + "\n").c_str(), stderr);
  }

  void warn_if_long(const std::string& prompt) const {
    const std::string text = normalise(prompt);
    const std::size_t tokens = model_.tokenizer.encode(text).size() + 2;  // begin and end
    const Index most = model_.config.text.length;
    if (tokens > static_cast<std::size_t>(most))
      complain(program, "warning: " + quoted(prompt, 40) + " is " + std::to_string(tokens) +
                            " tokens; the model reads the first " + std::to_string(most));
  }

  void keep_preview(const TextToImage::Run& run) {
    if (!screen_.on() && !o_.preview_as_gif()) return;
    const Tensor<std::uint8_t> now = picture_of(run.preview(), 0);
    if (screen_.on()) screen_.show(now);
    if (o_.preview_as_gif()) versions_.push_back(now);
  }

  void show_progress(const TextToImage::Run& run) const {
    if (!live_ || screen_.on()) return;
    std::fprintf(stderr, "\rstep %lld of %lld%s", static_cast<long long>(run.at()), static_cast<long long>(run.total()),
                 run.done() ? "\n" : "");
  }

  void write(const PaintJob& job, const std::string& file, double seconds) const {
    const Bytes png = encode_png(made_.back(), job.texts());
    if (file == "-") return write_stdout(png);
    write_file(file, png);
    if (o_.json) write_stdout(as_bytes(json_line(job, file, seconds)));
    say("wrote " + printable(file));
  }

  const Options& o_;
  const TextToImage& model_;
  TerminalPicture screen_;
  const bool live_ = ::isatty(STDERR_FILENO) != 0;
  std::vector<Tensor<std::uint8_t>> made_, versions_;  // versions of the first picture
};

TextToImage read_model(const Options& o, std::vector<PaintJob>& jobs) {
  Bytes bytes = read_weights(o.weights);
  const std::string fingerprint = fingerprint_of(bytes);
  const Safetensors file = Safetensors::parse(std::move(bytes), o.weights);
  TextToImage model = from_file(file, std::type_identity<TextToImage>{});
  warn_of_non_finite(program, file);
  if (!o.repro.empty() && jobs.front().weights != fingerprint)
    throw io_error(printable(o.repro) + ": made with other weights, " + quoted(jobs.front().weights, 40) + ", but " +
                   printable(o.weights) + " is " + fingerprint + "; name the right ones with --weights");
  for (PaintJob& job : jobs) job.weights = fingerprint;
  return model;
}

int paint(int argc, char** argv) {
  Options o;
  Cli cli(program, "Paints small pictures of what you say, in English or Chinese.");
  describe(cli, o);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));

  std::vector<PaintJob> jobs = jobs_of(cli, o);
  const std::vector<std::string> files = output_names(o.output, jobs.size());
  check_outputs(o, files);
  const Interrupt interrupt;
  const TextToImage model = read_model(o, jobs);
  Painter painter(o, model);
  constexpr std::size_t together = 8;  // more is no faster a picture, and needs more memory
  for (std::size_t first = 0; first < jobs.size(); first += together) {
    const std::size_t count = std::min(together, jobs.size() - first);
    if (!painter.paint(std::span(jobs).subspan(first, count), std::span(files).subspan(first, count), interrupt))
      return exit_interrupted;
  }
  if (!o.sheet.empty()) painter.write_sheet(jobs);
  if (o.preview_as_gif()) painter.write_preview();
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, paint, argc, argv); }
