// Trains a small GPT on the characters of a text; examples/write then goes on from any beginning. The last tenth of the text is
// held out and looked at as a whole. Stops with Ctrl-C, goes on where it stopped; a run that was stopped ends with the same bytes
// as one that was not.
//
//   build/examples/train_char_gpt shakespeare.txt --folder run --output char_gpt.safetensors --curve loss.png
//   build/examples/train_char_gpt shakespeare.txt --layers 6 --width 192 --heads 6 --context 128 --batch 32 --steps 6000 --dropout 0.1
//
// The defaults are nanoGPT's recipe for a CPU (Karpathy, 2022): 4 layers, width 128, 2,000 batches of 12 x 64 characters; but
// three times its learning rate, which suits so short a run better (1.77 nats a character on Shakespeare, not 1.92).
#include <string>
#include <vector>

#include <tessera/autodiff/op/softmax.hpp>

#include "examples/support/char_training.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "train_char_gpt";

struct Data {
  Characters characters;
  std::vector<std::int32_t> train, held_out;

  static Data read(const std::string& path) {
    const Bytes bytes = read_file(path, std::uint64_t{1} << 30);
    const auto text = as_text(bytes);
    if (const std::size_t bad = utf8_error(text); bad != text.size())
      throw_io(path, "byte " + std::to_string(bad), "UTF-8", "something else");
    Data data{Characters(text), {}, {}};
    data.train = data.characters.encode(text);
    const auto kept = static_cast<std::ptrdiff_t>(data.train.size() * 9 / 10);
    data.held_out.assign(data.train.begin() + kept, data.train.end());
    data.train.resize(static_cast<std::size_t>(kept));
    return data;
  }
};

/// Nats a character over all of a text, cut into pieces of the context's length.
double evaluate(const Gpt<float>& net, const std::vector<std::int32_t>& text) {
  constexpr Index together = 32;
  const Index length = net.config.context, characters = static_cast<Index>(text.size()) - 1;
  double sum = 0;
  const auto add = [&](Index first, Index count, Index each) {
    const CharBatch b = cut(count, each, [&](Index i) { return text.data() + first + i * each; });
    sum += static_cast<double>(cross_entropy(net(b.x), b.y).item()) * static_cast<double>(count * each);
  };
  const Index pieces = characters / length;
  for (Index p = 0; p < pieces; p += together) add(p * length, std::min(together, pieces - p), length);
  if (const Index rest = characters - pieces * length; rest > 0) add(pieces * length, 1, rest);
  return sum / static_cast<double>(characters);
}

int train_char_gpt(int argc, char** argv) {
  std::vector<std::string> texts;
  CharTraining training;
  Cli cli(program, "Trains a small GPT on the characters of a text.");
  cli.rest("text", texts, "the text to learn, UTF-8");
  describe(cli, training);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (texts.size() != 1) throw argument_error("one text to learn, as in: train_char_gpt shakespeare.txt");

  const Data data = Data::read(texts[0]);
  if (static_cast<Index>(data.held_out.size()) <= training.context + 1)
    throw argument_error("the text is too short: a tenth of it must be longer than the context, " +
                         std::to_string(training.context));
  const auto places = static_cast<Index>(data.train.size()) - training.context;
  CharTask task{.data = std::to_string(data.train.size()) + " characters to learn, " +
                        std::to_string(data.held_out.size()) + " held out, " + std::to_string(data.characters.size()) +
                        " different ones"};
  task.batch = [&](const Noise& noise) {
    return cut(training.batch, training.context,
               [&](Index i) { return data.train.data() + noise.below(places, static_cast<std::uint64_t>(i)); });
  };
  task.held_out = [&](const Gpt<float>& net) { return evaluate(net, data.held_out); };
  return train_characters(program, training, data.characters, task) ? exit_done : exit_interrupted;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, train_char_gpt, argc, argv); }
