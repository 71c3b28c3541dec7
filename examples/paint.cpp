// A sentence becomes a picture.
//
//   build/examples/paint "a red heart"
//   build/examples/paint -p "一隻狗" -p "a rocket" --seed 7 --batch 2 -o 'out-%03d.png' --preview forming.gif
//   build/examples/paint --repro out-001.png -o again.png                  the same bytes
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <tessera/diffusion/text_to_image_file.hpp>
#include <tessera/io/gif.hpp>
#include <tessera/io/png.hpp>
#include <tessera/train/interrupt.hpp>
#include <vector>

#include "examples/support/cli.hpp"
#include "examples/support/contact_sheet.hpp"
#include "examples/support/paint_job.hpp"
#include "examples/support/terminal_picture.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "paint";

struct Options {
  std::vector<std::string> prompts;
  std::string prompts_file, output, preview, sheet, repro;
  std::string weights = TESSERA_WEIGHTS_DIR "/paint.safetensors";
  std::uint64_t seed = 0;
  std::int64_t steps = 30, batch = 1, threads = 0, scale = 4;
  double guidance = 3;
  std::string solver = "multistep";
  bool json = false;
};

void say(const Options& o, const std::string& text) {
  if (!o.json || ::isatty(STDERR_FILENO)) std::fputs((text + "\n").c_str(), stderr);
}

void print_json(const PaintJob& job, const std::string& file, double seconds) {
  std::string line = "{\"file\": ";
  append_json(line, valid_utf8(file) ? file : printable(file));
  line += ", \"prompt\": ";
  append_json(line, job.prompt);
  char rest[160];
  std::snprintf(rest, sizeof rest, ", \"seed\": %llu, \"steps\": %lld, \"cfg_scale\": %.17g, \"seconds\": %.3f}",
                static_cast<unsigned long long>(job.seed), static_cast<long long>(job.steps), job.guidance, seconds);
  std::puts((line + rest).c_str());
}

// Several jobs of equal settings are painted together, `together` at a time: each comes out as it would alone.
constexpr std::size_t together = 8;

int paint(int argc, char** argv) {
  Options o;
  std::vector<std::string> bare;
  Cli cli(program, "Paints small pictures of what you say, in English or Chinese.");
  cli.rest("prompts", bare, "what to paint");
  cli.option("--prompt,-p", o.prompts, "what to paint (may be given several times)");
  cli.option("--prompts", o.prompts_file, "a file with one prompt a line; - is standard input");
  cli.option("--seed,-s", o.seed, "seed of the first picture; the next one has seed + 1 (default 0)");
  cli.option("--steps", o.steps, "denoising steps (default 30)", 1, 1000);
  cli.option("--cfg-scale", o.guidance, "how closely to follow the words; 1 is the model's own taste (default 3)", 0, 100);
  cli.option("--solver", o.solver, "euler, heun or multistep (default)");
  cli.option("--batch,-b", o.batch, "pictures of each prompt (default 1)", 1, 10000);
  cli.option("--output,-o", o.output, "PNG to write; %03d is the picture's number, - is standard output (default paint.png or paint-%03d.png)");
  cli.option("--sheet", o.sheet, "a PNG with all pictures and their prompts");
  cli.option("--preview", o.preview, "`terminal`, or a file.gif: the first picture as it forms");
  cli.option("--scale", o.scale, "pixels a side for each pixel in the sheet and the GIF (default 4)", 1, 32);
  cli.option("--repro", o.repro, "a PNG made by this program: paint it again by its stored settings");
  cli.option("--weights", o.weights, "the model (default: the one that comes with the examples)");
  cli.option("--threads,-t", o.threads, "threads; 0 is as many as there are CPUs (default)", 0, 256);
  cli.flag("--json", o.json, "a line of JSON for each picture on standard output");
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));

  std::vector<PaintJob> jobs;
  if (!o.repro.empty()) {
    jobs.push_back(read_paint_job(o.repro));
    if (!bare.empty() || !o.prompts.empty() || !o.prompts_file.empty() || o.batch != 1)
      throw argument_error("--repro takes prompt and settings from its file; give it alone, with --output and --weights");
  } else {
    std::vector<std::string> prompts = std::move(bare);
    prompts.insert(prompts.end(), o.prompts.begin(), o.prompts.end());
    if (!o.prompts_file.empty()) {
      const auto more = read_prompts(o.prompts_file);
      prompts.insert(prompts.end(), more.begin(), more.end());
    }
    if (prompts.empty()) throw argument_error("nothing to paint: give a sentence, as in: paint \"a red heart\"");
    for (const std::string& prompt : prompts) {
      check_prompt(prompt);
      for (std::int64_t i = 0; i < o.batch; ++i)
        jobs.push_back({.prompt = prompt, .seed = o.seed + jobs.size(), .steps = o.steps, .guidance = o.guidance, .solver = o.solver});
    }
  }
  const Solver solver = solver_named(jobs.front().solver);
  const std::vector<std::string> files = output_names(o.output, jobs.size());
  const bool to_stdout = files.front() == "-";
  if (to_stdout && o.json) throw argument_error("--json and --output - would both write to standard output");
  if (to_stdout && ::isatty(STDOUT_FILENO)) throw argument_error("standard output is a terminal; redirect it, or name a file with --output");
  for (const std::string& f : files) check_writable(f);
  for (const std::string& f : {o.sheet, o.preview == "terminal" ? std::string() : o.preview}) {
    if (!f.empty()) check_writable(f);
  }
  if (!o.preview.empty() && o.preview != "terminal" && !o.preview.ends_with(".gif"))
    throw argument_error("--preview takes `terminal` or a file that ends in .gif");

  const Bytes bytes = read_weights(o.weights);
  const std::string fingerprint = fingerprint_of(bytes);
  const Safetensors file = Safetensors::parse(bytes, o.weights);
  for (const std::string& name : file.non_finite()) complain(program, "warning: weights " + quoted(name) + " hold NaN or infinity");
  const TextToImage model = from_file(file, std::type_identity<TextToImage>{});
  if (!o.repro.empty() && jobs.front().weights != fingerprint)
    throw io_error(o.repro + ": made with other weights (" + jobs.front().weights + ") than " + o.weights + " (" + fingerprint +
                   "); name the right ones with --weights");

  Interrupt interrupt;
  const bool live = ::isatty(STDERR_FILENO) != 0;
  TerminalPicture screen(live && o.preview == "terminal");
  std::vector<Tensor<std::uint8_t>> made, forming;
  for (std::size_t first = 0; first < jobs.size(); first += together) {
    const std::size_t count = std::min(together, jobs.size() - first);
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::string> texts;
    std::vector<Noise> noises;
    for (std::size_t i = 0; i < count; ++i) {
      PaintJob& job = jobs[first + i];
      job.weights = fingerprint;
      texts.push_back(job.prompt);
      noises.push_back(Noise{job.seed});
      if (model.tokenizer.encode(" " + normalise(job.prompt)).size() + 2 > static_cast<std::size_t>(model.config.text.length))
        complain(program, "warning: " + quoted(job.prompt, 40) + " is longer than the " + std::to_string(model.config.text.length) +
                              " tokens the model reads; the rest is ignored");
      say(o, "seed " + std::to_string(job.seed) + ": " + printable(job.prompt, 60));
    }
    auto run = model.begin(texts, noises, {.steps = jobs[first].steps, .guidance = jobs[first].guidance, .solver = solver});
    while (run.step()) {
      if (interrupt()) {
        if (live) std::fputc('\n', stderr);
        complain(program, "interrupted; the picture that was forming is not written");
        return exit_interrupted;
      }
      if (first == 0 && !o.preview.empty()) {
        const Tensor<std::uint8_t> now = picture_of(run.preview(), 0);
        if (screen.on()) screen.show(now);
        if (o.preview != "terminal") forming.push_back(now);
      }
      if (live && !o.json && !screen.on())
        std::fprintf(stderr, "\rstep %lld of %lld%s", static_cast<long long>(run.at()), static_cast<long long>(run.total()), run.done() ? "\n" : "");
    }
    const Tensor<float> pictures = run.finish();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / static_cast<double>(count);
    for (std::size_t i = 0; i < count; ++i) {
      const PaintJob& job = jobs[first + i];
      made.push_back(picture_of(pictures, static_cast<Index>(i)));
      const Bytes png = encode_png(made.back(), job.texts());
      if (to_stdout) {
        write_stdout(png);
      } else {
        write_file(files[first + i], png);
        if (o.json)
          print_json(job, files[first + i], seconds);
        else
          say(o, "wrote " + printable(files[first + i]));
      }
    }
  }
  if (!o.sheet.empty()) {
    std::vector<std::string> captions;
    for (const PaintJob& job : jobs) captions.push_back(job.prompt);
    write_png(o.sheet, contact_sheet(stacked(made), captions, {.upscale = static_cast<int>(o.scale)}));
    say(o, "wrote " + printable(o.sheet));
  }
  if (!forming.empty()) {
    for (auto& f : forming) f = enlarged(f, o.scale);
    write_gif(o.preview, forming, {.delay = 8, .last_delay = 150});
    say(o, "wrote " + printable(o.preview));
  }
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, paint, argc, argv); }
