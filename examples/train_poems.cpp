// Trains a GPT on Chinese characters to write regulated verse: jueju of four lines and lushi of eight, of five or seven characters
// a line, whichever the beginning asks for. Then it counts how many of the poems it writes have the form they should.
//
//   build/examples/train_poems --folder run --output poems.safetensors --curve loss.png
//   build/examples/train_poems --measure examples/weights/poems.safetensors --show 3
//   build/examples/write "七绝：" --weights examples/weights/poems.safetensors --temperature 0.8
//
// There are hardly more than 250 such poems in the data (support/poems.hpp): few enough to be learnt by heart, which
// dropout and pieces of other verse delay. What is counted of it too is how many written lines stand in what it learned.
#include <algorithm>
#include <cstdio>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/autoregressive/gpt_decoder.hpp>
#include <tessera/generate/sequence.hpp>

#include "examples/support/char_training.hpp"
#include "examples/support/poems.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "train_poems";

CharTraining recipe() {
  CharTraining training;
  training.steps = 900;
  training.batch = 32;
  training.rate = 2e-3;
  training.output = "poems.safetensors";
  training.context = 72;  // a lushi of sevens has 67 characters, its name and its end included
  training.dropout = 0.3;
  return training;
}

struct Options {
  CharTraining training = recipe();
  std::string poems = "/usr/share/games/fortunes", measure;
  Index count = 100, show = 1;
  double temperature = 0.8, others = 0.4;
};

using Poems = std::vector<std::vector<Token>>;

/// Poems by their forms: a batch is of one form, so that its rows are about equally long.
struct Grouped {
  std::vector<Poems> groups;

  Grouped(const std::vector<std::string>& poems, const Characters& characters, std::span<const VerseForm> forms) {
    for (const VerseForm& form : forms) {
      groups.emplace_back();
      for (const std::string& poem : poems) {
        if (poem.starts_with(form.name)) groups.back().push_back(characters.encode(poem));
      }
    }
  }
  /// The group of poem `i` of all.
  const Poems& of(Index i) const {
    for (const Poems& g : groups) {
      if (i < static_cast<Index>(g.size())) return g;
      i -= static_cast<Index>(g.size());
    }
    return groups.back();
  }
  Index count() const {
    Index n = 0;
    for (const Poems& g : groups) n += static_cast<Index>(g.size());
    return n;
  }
};

/// A poem a row, each from its beginning: where its lines end is then a matter of position. Shorter ones end several
/// times.
CharBatch poems_batch(const Grouped& regulated, const Grouped& others, const Options& o, const Noise& noise) {
  Rng draws(noise.fork(2), 0);
  const Grouped& kind = others.count() > 0 && draws.next().unit() < o.others ? others : regulated;
  const Poems& poems = kind.of(draws.next().below(kind.count()));
  Poems rows;
  std::size_t longest = 0;
  for (Index i = 0; i < o.training.batch; ++i) {
    rows.push_back(poems[static_cast<std::size_t>(draws.next().below(static_cast<Index>(poems.size())))]);
    longest = std::max(longest, rows.back().size());
  }
  for (auto& row : rows) row.resize(longest, row.back());
  return cut(o.training.batch, static_cast<Index>(longest) - 1,
             [&](Index i) { return rows[static_cast<std::size_t>(i)].data(); });
}

/// Nats a character over poems, each from its own beginning; the form's name and the colon are given.
double evaluate(const Gpt<float>& net, const Poems& poems) {
  constexpr Index given = 3;
  double sum = 0;
  Index counted = 0;
  for (const auto& poem : poems) {
    const auto length = static_cast<Index>(poem.size()) - 1;
    const CharBatch b = cut(1, length, [&](Index) { return poem.data(); });
    const auto tail = [&](const auto& t) { return slice(t, 1, given - 1, length); };
    sum +=
        static_cast<double>(cross_entropy(tail(net(b.x)), tail(b.y)).item()) * static_cast<double>(length - given + 1);
    counted += length - given + 1;
  }
  return sum / static_cast<double>(counted);
}

/// Writes poems of every regulated form and says how many have it.
void measure(const GptModel& model, const Characters& characters, const PoemSet& set, const Options& o) {
  std::set<std::string> learned;
  for (const auto* poems : {&set.poems, &set.others}) {
    for (const std::string& poem : *poems) {
      for (std::string& line : verse_lines(poem.substr(9, poem.size() - 10))) learned.insert(std::move(line));
    }
  }
  const GptDecoder decoder(*model.net);
  Index right = 0, lines = 0, copied = 0;
  for (std::size_t f = 0; f < regulated_forms.size(); ++f) {
    const VerseForm& form = regulated_forms[f];
    const std::vector<Unit> prompt = characters.encode(std::string(form.name) + "：");
    const std::vector<std::vector<Unit>> prompts(static_cast<std::size_t>(o.count), prompt);
    std::vector<Noise> noises;
    for (Index i = 0; i < o.count; ++i)
      noises.push_back(Noise{o.training.seed}.fork(f).fork(static_cast<std::uint64_t>(i)));
    SequenceRun<GptDecoder> run(decoder, prompts, noises,
                                {.length = model.net->config.context - 3,
                                 .choice = {.temperature = o.temperature},
                                 .end = characters.encode("\n")});
    run.finish();
    Index good = 0;
    for (Index i = 0; i < o.count; ++i) {
      std::string verse = characters.decode(run.units(i));
      const bool ended = verse.ends_with('\n');
      if (ended) verse.pop_back();
      const bool fits = ended && has_form(verse, form);
      good += fits;
      for (const std::string& line : verse_lines(verse)) {
        ++lines;
        copied += learned.contains(line);
      }
      if (i < o.show) std::printf("%s%s：%s\n", fits ? "" : "(not its form) ", form.name, verse.c_str());
    }
    std::printf("%s: %lld of %lld have %lld lines of %lld characters\n", form.name, static_cast<long long>(good),
                static_cast<long long>(o.count), static_cast<long long>(form.lines),
                static_cast<long long>(form.characters));
    right += good;
  }
  const auto percent = [](Index part, Index all) {
    return 100 * static_cast<double>(part) / static_cast<double>(std::max<Index>(all, 1));
  };
  std::printf("right form: %.1f %% of the poems; lines that stand in what it learned: %.1f %%\n",
              percent(right, o.count * static_cast<Index>(regulated_forms.size())), percent(copied, lines));
}

int train_poems(int argc, char** argv) {
  Options o;
  Cli cli(program, "Trains a GPT to write Chinese regulated verse.");
  describe(cli, o.training);
  cli.option("--poems", o.poems, "the folder of fortunes-zh (default /usr/share/games/fortunes)");
  cli.option("--others", o.others, "share of what is learned that is other verse (default 0.4)", 0, 0.95);
  cli.option("--measure", o.measure, "a finished model: trains nothing, only counts and shows");
  cli.option("--count", o.count, "poems of each form that are written and counted (default 100)", 1, 10000);
  cli.option("--show", o.show, "of them, how many are shown (default 1)", 0, 10000);
  cli.option("--temperature", o.temperature, "they are written at (default 0.8)", 0, 100);
  if (const auto end = cli.parse(argc, argv)) return *end;
  constexpr Index longest = 68;
  if (o.training.context < longest)
    throw argument_error("--context is " + std::to_string(o.training.context) + ", a poem needs " +
                         std::to_string(longest));
  const PoemSet set = read_poems(o.poems);
  if (!o.measure.empty()) {
    if (o.training.threads > 0) set_threads(static_cast<int>(o.training.threads));
    const GptModel model = load_gpt(o.measure);
    measure(model, characters_of(model, o.measure), set, o);
    return exit_done;
  }
  std::string all;
  for (const auto* poems : {&set.poems, &set.held_out, &set.others}) {
    for (const std::string& poem : *poems) all += poem;
  }
  for (const VerseForm& form : regulated_forms) all += form.name;
  const Characters characters(all);
  const Grouped regulated(set.poems, characters, regulated_forms), others(set.others, characters, other_forms);
  Poems held_out;
  for (const std::string& poem : set.held_out) held_out.push_back(characters.encode(poem));
  CharTask task{.data = std::to_string(set.poems.size()) + " poems to learn and " + std::to_string(set.others.size()) +
                        " pieces of other verse, " + std::to_string(set.held_out.size()) + " poems held out, " +
                        std::to_string(characters.size()) + " different characters"};
  task.batch = [&](const Noise& noise) { return poems_batch(regulated, others, o, noise); };
  task.held_out = [&](const Gpt<float>& net) { return evaluate(net, held_out); };
  task.title = "GPT on Tang and Song poems";
  task.end = "\n";
  const auto model = train_characters(program, o.training, characters, task);
  if (!model) return exit_interrupted;
  measure(*model, characters, set, o);
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, train_poems, argc, argv); }
