// How English words are said, in the 39 phonemes of ARPAbet; words that stand in no dictionary too.
//
//   build/examples/pronounce tessera Wyllandriath
//   build/examples/pronounce read --count 3
//   build/examples/pronounce --file words.txt --json
//
// The model is what examples/train_pronounce makes. A line a word: the word, then its pronunciation, in the form of the CMU
// dictionary; the next likely ones as word(2), word(3), ...
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <tessera/io/file.hpp>
#include <tessera/io/json_text.hpp>
#include <tessera/train/interrupt.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/output.hpp"
#include "examples/support/pronounce_model.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "pronounce";

struct Options {
  std::vector<std::string> words;
  std::string file, output, weights = TESSERA_WEIGHTS_DIR "/pronounce.safetensors";
  Index count = 1, beam = 5, threads = 1;
  double alpha = 0;
  bool json = false;
};

void describe(Cli& cli, Options& o) {
  cli.rest("words", o.words, "what to say, as in: tessera o'clock");
  cli.option("--file,-f", o.file, "a file of words between spaces or line ends; - is standard input");
  cli.option("--count,-c", o.count, "pronunciations of each word, the likeliest first (default 1)", 1, 31);
  cli.option("--beam", o.beam, "beginnings kept while searching, at least the count (default 5); 1 is greedy", 1, 64);
  cli.option("--alpha", o.alpha, "favours longer pronunciations; 0 ranks by probability (default)", 0, 10);
  cli.option("--output,-o", o.output,
             "a file for all of them, whole or not at all (default: standard output, as they come)");
  cli.option("--weights,-w", o.weights, "the model (default: the one that comes with the examples)");
  cli.option("--threads,-t", o.threads, "threads; 0 is as many as there are CPUs (default 1)", 0, 256);
  cli.flag("--json", o.json, "a line of JSON for each word");
}

std::vector<std::string> words_of(const Options& o) {
  std::vector<std::string> words;
  const auto add = [&](std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t begin = text.find_first_not_of(" \t\r\n", at);
      if (begin == std::string_view::npos) break;
      at = std::min(text.find_first_of(" \t\r\n", begin), text.size());
      words.emplace_back(text.substr(begin, at - begin));
    }
  };
  for (const std::string& w : o.words) add(w);
  if (!o.file.empty()) add(as_text(read_file(o.file == "-" ? "/dev/stdin" : o.file, 1U << 24)));
  return words;
}

/// word AH B ...            word(2) AH P ...
std::string lines_of(const std::string& word, const std::vector<PronounceAnswer>& answers, Index count) {
  std::string lines;
  for (std::size_t i = 0; i < answers.size() && static_cast<Index>(i) < count; ++i) {
    const std::string number = i == 0 ? "" : "(" + std::to_string(i + 1) + ")";
    lines += word + number + ' ' + to_phonemes(answers[i].phonemes) + '\n';
  }
  return lines;
}

/// {"word": "tessera", "pronunciations": [{"phonemes": "T EH S ER AH", "probability": 0.41}]}
std::string json_of(const std::string& word, const std::vector<PronounceAnswer>& answers, Index count) {
  std::string line = "{\"word\": ";
  append_json(line, word);
  line += ", \"pronunciations\": [";
  for (std::size_t i = 0; i < answers.size() && static_cast<Index>(i) < count; ++i) {
    char probability[64];
    std::snprintf(probability, sizeof probability, "%.6g", std::exp(answers[i].log_probability));
    line += (i == 0 ? "{\"phonemes\": \"" : ", {\"phonemes\": \"") + to_phonemes(answers[i].phonemes) +
            "\", \"probability\": " + probability + '}';
  }
  return line + "]}\n";
}

int pronounce(int argc, char** argv) {
  Options o;
  Cli cli(program, "How English words are said, in the phonemes of ARPAbet.");
  describe(cli, o);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));
  const std::vector<std::string> words = words_of(o);
  if (words.empty()) throw argument_error("nothing to say: give words, as in: pronounce tessera");
  if (o.count > o.beam) {
    if (cli.given("--beam"))
      throw argument_error("--beam " + std::to_string(o.beam) + " keeps too few beginnings for --count " +
                           std::to_string(o.count));
    o.beam = o.count;
  }
  std::vector<SpokenUnits> letters;
  for (const std::string& w : words) {
    letters.push_back(spelling_of(w));
    if (letters.back().size() > longest_spelling)
      throw argument_error(quoted(w, 40) + " has " + std::to_string(letters.back().size()) +
                           " letters; the most the model reads is " + std::to_string(longest_spelling));
  }

  check_writable(o.output);

  const Interrupt interrupt;
  std::string all;
  const Pronouncer model = Pronouncer::from_file(Safetensors::read(o.weights));
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (interrupt()) {
      complain(program,
               "interrupted after " + std::to_string(i) + " words" + (o.output.empty() ? "" : "; nothing is written"));
      return exit_interrupted;
    }
    const auto answers =
        model({&letters[i], 1},
              {.beam = o.beam, .lengths = std::min<Index>(o.beam, 20), .alpha = o.alpha, .scored = true})
            .each[0];
    const std::string text = (o.json ? json_of : lines_of)(words[i], answers, o.count);
    if (o.output.empty())
      write_stdout(as_bytes(text));
    else
      all += text;
  }
  if (!o.output.empty()) write_file(o.output, as_bytes(all));
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, pronounce, argc, argv); }
