// A sentence becomes a picture.
//
//   build/examples/paint "a red heart"
//   build/examples/paint -p "一隻狗" -p "a rocket" --seed 7 --batch 2 -o 'out-%03d.png' --preview forming.gif
//   build/examples/paint --repro out-001.png -o again.png                  the same bytes
//   build/examples/paint "a red heart" --model image_gpt --preview rows.gif    pixel by pixel, by another kind of model
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <tessera/io/gif.hpp>
#include <tessera/io/png.hpp>
#include <tessera/kernel/parallel.hpp>
#include <tessera/train/interrupt.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/contact_sheet.hpp"
#include "examples/support/paint_model.hpp"
#include "examples/support/terminal_picture.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "paint";

struct Options {
  std::vector<std::string> bare, prompts;
  std::string prompts_file, output, preview, sheet, repro, model = "flow", weights, solver = "multistep";
  std::uint64_t seed = 0;
  std::int64_t steps = 30, batch = 1, threads = 0, scale = 4;
  double guidance = 2, temperature = 1, top_p = 1;
  bool json = false;

  bool preview_in_terminal() const { return preview == "terminal"; }
  bool preview_as_gif() const { return !preview.empty() && !preview_in_terminal(); }
};

void describe(Cli& cli, Options& o) {
  cli.rest("prompts", o.bare, "what to paint");
  cli.option("--prompt,-p", o.prompts, "what to paint (may be given several times)");
  cli.option("--prompts", o.prompts_file, "a file with one prompt a line; - is standard input");
  cli.option("--seed,-s", o.seed, "seed of the first picture; the next one has seed + 1 (default 0)");
  cli.option("--model", o.model, "flow: noise becomes the picture (default); image_gpt: pixel by pixel");
  cli.option("--cfg-scale", o.guidance,
             "how closely to follow the words; 1 is the model's own taste (default: what suits it)", 0, 100);
  cli.option("--steps", o.steps, "flow: denoising steps (default 30)", 1, 1000);
  cli.option("--solver", o.solver, "flow: euler, heun or multistep (default multistep)");
  cli.option("--temperature", o.temperature,
             "image_gpt: how bold the choice of colours is; 0 takes the most probable (default: what suits it)", 0,
             100);
  cli.option("--top-p", o.top_p,
             "image_gpt: only the most probable colours that have this share together (default: what suits it)", 0, 1);
  cli.option("--batch,-b", o.batch, "pictures of each prompt (default 1)", 1, 10000);
  cli.option(
      "--output,-o", o.output,
      "PNG to write; %03d is the picture's number, from 0; - is standard output (default paint.png or paint-%03d.png)");
  cli.option("--sheet", o.sheet, "a PNG with all pictures and their prompts");
  cli.option("--preview", o.preview, "`terminal`, or a file.gif: the first picture as it forms, every step");
  cli.option("--scale", o.scale, "pixels a side for each pixel in the sheet and the GIF (default 4)", 1, 32);
  cli.option("--repro", o.repro, "a PNG made by this program: paint it again by its stored settings");
  cli.option("--weights", o.weights,
             "a model's file, which says its kind (default: the one that comes with the examples)");
  cli.option("--threads,-t", o.threads, "threads; 0 is as many as there are CPUs (default)", 0, 256);
  cli.flag("--json", o.json, "a line of JSON for each picture on standard output");
}

std::vector<PaintJob> jobs_of(const Cli& cli, const Options& o) {
  if (!o.repro.empty()) {
    for (const char* stored : {"prompts", "--prompt", "--prompts", "--seed", "--model", "--steps", "--cfg-scale",
                               "--solver", "--temperature", "--top-p", "--batch"}) {
      if (cli.given(stored))
        throw argument_error(std::string("--repro takes what to paint from its file; leave out ") + stored);
    }
    return {read_paint_job(o.repro)};
  }
  std::vector<std::string> prompts = o.bare;
  prompts.insert(prompts.end(), o.prompts.begin(), o.prompts.end());
  if (!o.prompts_file.empty()) {
    const auto more = read_lines(o.prompts_file, "prompt");
    prompts.insert(prompts.end(), more.begin(), more.end());
  }
  if (prompts.empty()) throw argument_error("nothing to paint: give a sentence, as in: paint \"a red heart\"");
  std::vector<PaintJob> jobs;
  for (const std::string& prompt : prompts) {
    check_prompt(prompt);
    for (std::int64_t i = 0; i < o.batch; ++i)
      jobs.push_back({.prompt = prompt, .seed = o.seed + jobs.size(), .kind = kind_named(o.model)});
  }
  if (cli.given("--solver")) solver_named(o.solver);  // throws if it is none
  return jobs;
}

/// The model's usual settings, but for those given. Throws argument_error for one that it does not have.
void settle(PaintJob& job, const PaintModel& model, const Cli& cli, const Options& o) {
  PaintJob settled = model.usual();
  const auto given = [&](const char* option, PaintKind kind) {
    if (!cli.given(option)) return false;
    if (kind != settled.kind)
      throw argument_error(std::string(option) + " is a setting of " + name_of(kind) + " models; this one is of kind " +
                           name_of(settled.kind));
    return true;
  };
  if (cli.given("--cfg-scale")) settled.guidance = o.guidance;
  if (given("--steps", PaintKind::flow)) settled.steps = o.steps;
  if (given("--solver", PaintKind::flow)) settled.solver = solver_named(o.solver);
  if (given("--temperature", PaintKind::image_gpt)) settled.temperature = o.temperature;
  if (given("--top-p", PaintKind::image_gpt)) settled.top_p = o.top_p;
  settled.prompt = job.prompt;
  settled.seed = job.seed;
  job = settled;
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
  line += ", \"seed\": " + std::to_string(job.seed) + ", \"model\": \"" + name_of(job.kind) + '"';
  if (job.kind == PaintKind::flow) line += ", \"steps\": " + std::to_string(job.steps);
  char rest[80];
  std::snprintf(rest, sizeof rest, ", \"cfg_scale\": %s, \"seconds\": %.3f}\n", number_text(job.guidance).c_str(),
                seconds);
  return line + rest;
}

/// The program at work: paints the jobs a few at a time and keeps what the sheet and the GIF need.
class Painter {
 public:
  Painter(const Options& options, const PaintModel& model)
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
    const auto painting = model_.begin(texts, noises, jobs.front());
    while (!interrupt() && painting->step()) {
      if (made_.empty()) keep_preview(*painting);
      show_progress(*painting);
    }
    if (!painting->done() || interrupt()) {
      if (live_) std::fputc('\n', stderr);
      complain(program, "interrupted; what was forming is not written");
      return false;
    }
    const Tensor<float> pictures = painting->preview();
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
    const auto [tokens, read] = model_.length(prompt);
    if (tokens > read)
      complain(program, "warning: " + quoted(prompt, 40) + " is " + std::to_string(tokens) +
                            " tokens; the model reads the first " + std::to_string(read));
  }

  void keep_preview(const Painting& run) {
    if (!screen_.on() && !o_.preview_as_gif()) return;
    const Tensor<std::uint8_t> now = picture_of(run.preview(), 0);
    if (screen_.on()) screen_.show(now);
    if (o_.preview_as_gif()) versions_.push_back(now);
  }

  void show_progress(const Painting& run) const {
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
  const PaintModel& model_;
  TerminalPicture screen_;
  const bool live_ = ::isatty(STDERR_FILENO) != 0;
  std::vector<Tensor<std::uint8_t>> made_, versions_;  // versions of the first picture
};

/// The model, and with it what the jobs still lack.
std::unique_ptr<PaintModel> read_model(const Cli& cli, const Options& o, std::vector<PaintJob>& jobs) {
  const std::string path = o.weights.empty() ? usual_weights(jobs.front().kind) : o.weights;
  Bytes bytes = read_weights(path);
  const std::string fingerprint = fingerprint_of(bytes);
  const Safetensors file = Safetensors::parse(std::move(bytes), path);
  auto model = paint_model(file);
  warn_of_non_finite(program, file);
  if (!o.repro.empty() && jobs.front().weights != fingerprint)
    throw io_error(printable(o.repro) + ": made with other weights, " + quoted(jobs.front().weights, 40) + ", but " +
                   printable(path) + " is " + fingerprint + "; name the right ones with --weights");
  if (model->kind() != jobs.front().kind && (cli.given("--model") || !o.repro.empty()))
    throw io_error(printable(path) + ": is a model of kind " + name_of(model->kind()) + ", not " +
                   name_of(jobs.front().kind));
  for (PaintJob& job : jobs) {
    if (o.repro.empty()) settle(job, *model, cli, o);
    job.weights = fingerprint;
  }
  return model;
}

int paint(int argc, char** argv) {
  Options o;
  Cli cli(program, "Paints small pictures of what you say, in English or Chinese.");
  describe(cli, o);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));

  std::vector<PaintJob> jobs = jobs_of(cli, o);
  const std::string usual_output = jobs.size() == 1 ? "paint.png" : "paint-%03d.png";
  const auto files = output_names(o.output.empty() ? usual_output : o.output, jobs.size(), "picture");
  check_outputs(o, files);
  const Interrupt interrupt;
  const auto model = read_model(cli, o, jobs);
  Painter painter(o, *model);
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
