// How well examples/paint paints what it is told: each picture made is compared with all true emoji, and counts as a
// hit when none is nearer to it than the one whose name was the prompt (examples/support/nearest_picture.hpp says what
// near means).
//
//   build/examples/score_paint                        500 seen names, all held-out combinations, two languages
//   build/examples/score_paint --count 100 --sheet worst.png
//   build/examples/score_paint --model image_gpt
//   build/examples/score_paint --perturb              true pictures instead of painted ones, shifted, blurred, noisy
//
// Candidates are all pictures of the set without flags (the training leaves flags out). In Chinese a name is read in
// simplified or traditional characters, by a hash of its code points. The sample of seen names follows from --seed
// alone.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include <tessera/io/png.hpp>
#include <tessera/kernel/parallel.hpp>
#include <tessera/train/interrupt.hpp>
#include <tessera/train/progress.hpp>

#include "examples/support/captions.hpp"
#include "examples/support/cli.hpp"
#include "examples/support/contact_sheet.hpp"
#include "examples/support/emoji.hpp"
#include "examples/support/nearest_picture.hpp"
#include "examples/support/paint_model.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "score_paint";
constexpr Index together = 16;  // pictures painted at once

struct Options {
  std::int64_t count = 500, threads = 0;
  std::uint64_t seed = 1;
  std::string model = "flow", weights, solver = "multistep", sheet;
  PaintJob job = {.steps = 30, .guidance = 2, .shift = 1.5};  // of these, those that are given count
  bool perturb = false, strict = false, seen_only = false;
};

/// What is asked of a set, in percent.
struct Wanted {
  double first, top5;
};
constexpr Wanted wanted_seen{60, 85}, wanted_held_out{40, 70};
constexpr Wanted wanted_of_pixels{0, 40};  // image_gpt, seen; an hour's training: the others are only shown

struct Subject {
  Index item;
  std::string prompt;
};

struct Outcome {
  Subject subject;
  Index rank;     // candidates that are nearer
  Index nearest;  // the nearest one
  Tensor<std::uint8_t> picture;
};

std::uint64_t hash_of(const std::string& text) {
  std::uint64_t h = 0xcbf29ce484222325u;  // FNV-1a
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h ^ h >> 32;
}

Language chinese_for(const Emoji& emoji) {
  return hash_of(emoji.code) % 2 == 0 ? Language::simplified : Language::traditional;
}

/// `count` of the items, or all when there are fewer, in ascending order.
std::vector<int> sampled(std::vector<int> items, Index count, std::uint64_t seed) {
  const Noise noise = Noise{seed}.fork(500);
  std::vector<std::pair<std::uint64_t, int>> order;
  for (const int item : items) order.push_back({noise.bits(static_cast<std::uint64_t>(item)), item});
  std::sort(order.begin(), order.end());
  items.clear();
  for (const auto& [word, item] : order) {
    if (static_cast<Index>(items.size()) < count) items.push_back(item);
  }
  std::sort(items.begin(), items.end());
  return items;
}

/// Paints what the subjects' prompts say. Throws nothing of its own; an interrupt ends it early with fewer pictures.
class PaintedPictures {
 public:
  PaintedPictures(const Cli& cli, const Options& o, std::size_t expected)
      : seed_(o.seed), model_(load_model(o)), job_(settled(cli, o, model_->usual())), expected_(expected) {}

  const PaintJob& job() const { return job_; }

  std::vector<Tensor<std::uint8_t>> operator()(std::span<const Subject> subjects) {
    std::vector<std::string> texts;
    std::vector<Noise> noises;
    for (const Subject& s : subjects) {
      texts.push_back(s.prompt);
      noises.push_back(Noise{seed_}.fork(static_cast<std::uint64_t>(s.item)));
    }
    const auto start = std::chrono::steady_clock::now();
    const auto painting = model_->begin(texts, noises, job_);
    while (painting->step()) {}
    const Tensor<float> made = painting->preview();
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    made_ += subjects.size();
    std::vector<Tensor<std::uint8_t>> pictures;
    for (std::size_t i = 0; i < subjects.size(); ++i) pictures.push_back(picture_of(made, static_cast<Index>(i)));
    if (::isatty(STDERR_FILENO) != 0)
      std::fprintf(stderr, "\r\x1b[K%zu of %zu pictures, %s left%s", made_, expected_,
                   clock_text(seconds_each() * static_cast<double>(expected_ - made_)).c_str(),
                   made_ == expected_ ? "\n" : "");
    return pictures;
  }
  double seconds_each() const { return made_ == 0 ? 0 : seconds_ / static_cast<double>(made_); }

 private:
  static std::unique_ptr<PaintModel> load_model(const Options& o) {
    const std::string path = o.weights.empty() ? usual_weights(kind_named(o.model)) : o.weights;
    const Safetensors file = Safetensors::parse(read_weights(path), path);
    warn_of_non_finite(program, file);
    return paint_model(file);
  }
  static PaintJob settled(const Cli& cli, const Options& o, PaintJob job) {
    if (cli.given("--cfg-scale")) job.guidance = o.job.guidance;
    if (cli.given("--steps")) job.steps = o.job.steps;
    if (cli.given("--shift")) job.shift = o.job.shift;
    if (cli.given("--solver")) job.solver = solver_named(o.solver);
    if (cli.given("--temperature")) job.temperature = o.job.temperature;
    if (cli.given("--top-p")) job.top_p = o.job.top_p;
    return job;
  }

  std::uint64_t seed_;
  std::unique_ptr<PaintModel> model_;
  PaintJob job_;
  std::size_t expected_, made_ = 0;
  double seconds_ = 0;
};

std::vector<Tensor<std::uint8_t>> split_up(const Tensor<std::uint8_t>& pictures, const std::vector<Index>& which) {
  const Shape& s = pictures.shape();
  const Index each = s[1] * s[2] * s[3];
  std::vector<Tensor<std::uint8_t>> parts;
  for (const Index i : which) {
    parts.push_back(Tensor<std::uint8_t>(Shape{s[1], s[2], s[3]}));
    std::memcpy(parts.back().data(), pictures.data() + i * each, static_cast<std::size_t>(each));
  }
  return parts;
}

/// Results of one set in one language; empty when interrupted.
template <class Make>
std::vector<Outcome> judge(const std::vector<Subject>& subjects, const NearestPicture& near, Make& make,
                           const Interrupt& interrupt) {
  std::vector<Outcome> outcomes;
  for (std::size_t first = 0; first < subjects.size(); first += together) {
    if (interrupt()) return {};
    const auto part = std::span(subjects).subspan(first, std::min<std::size_t>(together, subjects.size() - first));
    const std::vector<Tensor<std::uint8_t>> pictures = make(part);
    const Tensor<std::uint8_t> all = stacked(pictures);
    std::vector<Index> answers;
    for (const Subject& s : part) answers.push_back(s.item);
    const std::vector<Index> ranks = near.ranks(all, answers), nearest = near.nearest(all);
    for (std::size_t i = 0; i < part.size(); ++i) outcomes.push_back({part[i], ranks[i], nearest[i], pictures[i]});
  }
  return outcomes;
}

double percent(const std::vector<Outcome>& outcomes, Index within) {
  const auto hits = std::count_if(outcomes.begin(), outcomes.end(), [&](const Outcome& o) { return o.rank < within; });
  return outcomes.empty() ? 0 : 100 * static_cast<double>(hits) / static_cast<double>(outcomes.size());
}

bool print_row(const char* set, const char* language, const std::vector<Outcome>& outcomes, Wanted wanted) {
  const double first = percent(outcomes, 1), top5 = percent(outcomes, 5);
  const bool holds = first >= wanted.first && top5 >= wanted.top5;
  std::printf("%-10s %-9s %5zu   %5.1f %% (>= %.0f)   %5.1f %% (>= %.0f)   %s\n", set, language, outcomes.size(), first,
              wanted.first, top5, wanted.top5, holds ? "holds" : "does not hold");
  std::fflush(stdout);
  return holds;
}

/// Painted, true and nearest side by side, the worst ranks first.
void write_sheet(const std::string& path, std::vector<Outcome> outcomes, const EmojiSet& set,
                 const Captions& captions) {
  std::stable_sort(outcomes.begin(), outcomes.end(),
                   [](const Outcome& a, const Outcome& b) { return a.rank > b.rank; });
  if (outcomes.size() > 40) outcomes.erase(outcomes.begin() + 40, outcomes.end());
  std::vector<Tensor<std::uint8_t>> pictures;
  std::vector<std::string> texts;
  for (const Outcome& o : outcomes) {
    const auto compared = split_up(set.pictures, {o.subject.item, o.nearest});
    pictures.insert(pictures.end(), {o.picture, compared[0], compared[1]});
    texts.insert(texts.end(), {o.subject.prompt, "true; rank " + std::to_string(o.rank + 1),
                               captions.canonical(static_cast<int>(o.nearest), Language::english)});
  }
  write_png(path, contact_sheet(stacked(pictures), texts, {.columns = 12, .upscale = 3}));
}

/// A true picture as a painter might miss it: moved by whole pixels over white, blurred, dimmed, noisy.
struct Flaw {
  const char* name;
  int right = 0, down = 0, blurs = 0;
  float light = 1, noise = 0;

  Tensor<std::uint8_t> operator()(const Tensor<std::uint8_t>& picture, const Noise& z) const {
    const Index h = picture.extent(0), w = picture.extent(1);
    Tensor<float> p(picture.shape(), 255.f), random(picture.shape());
    z.normal(random.span());
    for (Index y = 0; y < h; ++y) {
      for (Index x = 0; x < w; ++x) {
        const Index from_y = y - down, from_x = x - right;
        if (from_y < 0 || from_y >= h || from_x < 0 || from_x >= w) continue;
        for (Index c = 0; c < 3; ++c)
          p.data()[(y * w + x) * 3 + c] = static_cast<float>(picture[(from_y * w + from_x) * 3 + c]);
      }
    }
    for (int b = 0; b < blurs; ++b) p = blurred(p);
    Tensor<std::uint8_t> flawed(picture.shape());
    for (Index i = 0; i < p.size(); ++i) flawed.data()[i] = to_8bit((p[i] * light / 255 + noise * random[i]) * 2 - 1);
    return flawed;
  }
  static Tensor<float> blurred(const Tensor<float>& p) {
    const Index h = p.extent(0), w = p.extent(1);
    Tensor<float> q(p.shape(), 0.f);
    float* to = q.data();
    for (Index y = 0; y < h; ++y)
      for (Index x = 0; x < w; ++x)
        for (Index dy = -1; dy <= 1; ++dy)
          for (Index dx = -1; dx <= 1; ++dx) {
            const float weight = (dy == 0 ? 0.5f : 0.25f) * (dx == 0 ? 0.5f : 0.25f);
            const Index at = std::clamp(y + dy, Index{0}, h - 1) * w + std::clamp(x + dx, Index{0}, w - 1);
            for (Index c = 0; c < 3; ++c) to[(y * w + x) * 3 + c] += weight * p[at * 3 + c];
          }
    return q;
  }
};
constexpr Flaw flaws[] = {{.name = "none"},
                          {.name = "moved by 1 pixel", .right = 1},
                          {.name = "moved by 1, 1 pixels", .right = -1, .down = 1},
                          {.name = "blurred once", .blurs = 1},
                          {.name = "blurred 3 times", .blurs = 3},
                          {.name = "noise of 20 %", .noise = 0.2f},
                          {.name = "dimmed by 7 %", .light = 0.93f},
                          {.name = "moved by 1, blurred, noise of 10 %", .down = 1, .blurs = 1, .noise = 0.1f}};

/// How often flawed true pictures are found: what the feature space is worth.
int score_features(const Options& o, const EmojiSet& set, const NearestPicture& near,
                   const std::vector<Subject>& subjects, const Interrupt& interrupt) {
  std::printf("true pictures, flawed                  count   first     top 5\n");
  for (const Flaw& flaw : flaws) {
    const auto make = [&](std::span<const Subject> part) {
      std::vector<Tensor<std::uint8_t>> pictures;
      for (const Subject& s : part)
        pictures.push_back(
            flaw(split_up(set.pictures, {s.item})[0], Noise{o.seed}.fork(static_cast<std::uint64_t>(s.item))));
      return pictures;
    };
    const std::vector<Outcome> outcomes = judge(subjects, near, make, interrupt);
    if (interrupt()) return exit_interrupted;
    std::printf("%-38s %5zu   %5.1f %%   %5.1f %%\n", flaw.name, outcomes.size(), percent(outcomes, 1),
                percent(outcomes, 5));
    std::fflush(stdout);
  }
  return exit_done;
}

void describe(Cli& cli, Options& o) {
  cli.option("--count", o.count, "seen names to paint (default 500)", 1, 100000);
  cli.option("--seed", o.seed, "of the sample of names and of the noise (default 1)");
  cli.option("--model", o.model, "flow (default) or image_gpt");
  cli.option("--steps", o.job.steps, "flow: denoising steps (default 30)", 1, 1000);
  cli.option("--cfg-scale", o.job.guidance, "guidance (default: what suits the model)", 0, 100);
  cli.option("--shift", o.job.shift, "flow: above 1: more of the steps near the noise (default 1.5)", 0.01, 100);
  cli.option("--solver", o.solver, "flow: euler, heun or multistep (default multistep)");
  cli.option("--temperature", o.job.temperature, "image_gpt: of the choice of colours (default: what suits it)", 0,
             100);
  cli.option("--top-p", o.job.top_p, "image_gpt: share of the colours to choose from (default: what suits it)", 0, 1);
  cli.option("--weights", o.weights, "a model's file (default: the one that comes with the examples)");
  cli.option("--threads,-t", o.threads, "threads; 0 is as many as there are CPUs (default)", 0, 256);
  cli.option("--sheet", o.sheet, "a PNG of the worst: painted, true, nearest");
  cli.flag("--perturb", o.perturb,
           "judge the feature space: find true pictures again that are shifted, blurred, noisy");
  cli.flag("--seen-only", o.seen_only, "leave out the held-out combinations");
  cli.flag("--strict", o.strict, "exit code 1 when a requirement does not hold");
}

int score_paint(int argc, char** argv) {
  Options o;
  Cli cli(program, "Measures how often examples/paint paints the emoji whose name it is given.");
  describe(cli, o);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));
  solver_named(o.solver);  // throws if it is none
  if (!o.sheet.empty()) check_writable(o.sheet);

  const EmojiSet set = read_emoji({.side = 32, .flags = false});
  const Split split = split_emoji(set.items);
  const Captions captions(set.items);
  const NearestPicture near(set.pictures);
  const Interrupt interrupt;
  const auto subjects_of = [&](const std::vector<int>& items, bool chinese) {
    std::vector<Subject> subjects;
    for (const int item : items) {
      const Language language = chinese ? chinese_for(set.items[static_cast<std::size_t>(item)]) : Language::english;
      subjects.push_back({item, captions.canonical(item, language)});
    }
    return subjects;
  };
  const std::vector<int> seen = sampled(split.train, o.count, o.seed);
  std::printf("%zu candidates (all emoji without flags), seed %llu\n", set.items.size(),
              static_cast<unsigned long long>(o.seed));
  if (o.perturb) return score_features(o, set, near, subjects_of(seen, false), interrupt);

  PaintedPictures make(cli, o, 2 * (seen.size() + (o.seen_only ? 0 : split.held_out.size())));
  const PaintJob& job = make.job();
  if (job.kind == PaintKind::flow)
    std::printf("%lld steps, %s, cfg scale %s, shift %s\n", static_cast<long long>(job.steps), name_of(job.solver),
                number_text(job.guidance).c_str(), number_text(job.shift).c_str());
  else
    std::printf("image_gpt, cfg scale %s, temperature %s, top-p %s\n", number_text(job.guidance).c_str(),
                number_text(job.temperature).c_str(), number_text(job.top_p).c_str());
  std::printf("set        language  count   first               in the top 5\n");
  bool all_hold = true;
  std::vector<Outcome> all;
  for (const bool held_out : {false, true}) {
    if (held_out && o.seen_only) continue;
    for (const bool chinese : {false, true}) {
      const std::vector<Outcome> outcomes =
          judge(subjects_of(held_out ? split.held_out : seen, chinese), near, make, interrupt);
      if (interrupt()) return exit_interrupted;
      all_hold &= print_row(held_out ? "held out" : "seen", chinese ? "Chinese" : "English", outcomes,
                            job.kind == PaintKind::flow ? held_out ? wanted_held_out : wanted_seen
                            : held_out                  ? Wanted{0, 0}
                                                        : wanted_of_pixels);
      all.insert(all.end(), outcomes.begin(), outcomes.end());
    }
  }
  std::printf("%.2f seconds a picture, painted %lld at a time\n", make.seconds_each(),
              static_cast<long long>(together));
  if (!o.sheet.empty()) write_sheet(o.sheet, std::move(all), set, captions);
  return o.strict && !all_hold ? exit_failed : exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, score_paint, argc, argv); }
