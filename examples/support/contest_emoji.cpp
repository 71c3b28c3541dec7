// Names in English and in both kinds of Chinese. Combinations that split_emoji() holds back are not learned; on them the
// likelihood is taken. What is asked for are names that were learned: whether a picture is the one that was asked for is
// told by which of all true ones it is nearest to.
#include <algorithm>
#include <cstdio>

#include <tessera/io/pixels.hpp>
#include <tessera/unit/token_learn.hpp>

#include "examples/support/captions.hpp"
#include "examples/support/contestant.hpp"
#include "examples/support/emoji.hpp"
#include "examples/support/nearest_picture.hpp"
#include "examples/support/rows.hpp"

namespace tessera::examples {

namespace {

constexpr Index vocabulary = 2048, words = 32;

/// The columns of the sheet.
const std::vector<std::string> prompts = {"red heart",   "狗",          "woman running: dark skin tone",
                                          "pizza",       "貓頭",        "rocket",
                                          "crying face", "雪人",        "house",
                                          "鬱金香",      "blue circle", "bicycle"};

/// Without the columns that are padding in every row.
Tensor<std::int32_t> trimmed(const Tensor<std::int32_t>& tokens) {
  Index used = 2;
  for (Index i = 0; i < tokens.size(); ++i) {
    if (tokens[i] != Tokenizer::pad) used = std::max(used, i % tokens.cols() + 1);
  }
  Tensor<std::int32_t> kept(Shape{tokens.extent(0), used});
  for (Index i = 0; i < kept.size(); ++i) kept.data()[i] = tokens[i / used * tokens.cols() + i % used];
  return kept;
}

class EmojiContest : public Contest {
 public:
  explicit EmojiContest(const ContestOptions& o) {
    seconds = 60 * o.minutes;
    seed = o.seed;
    train = rows_of(set_.pictures, split_.train);
    text = true;
    conditions = vocabulary;
    std::vector<std::string> names;
    for (const int item : split_.held_out) names.push_back(captions_.canonical(item, Language::english));
    tested = {rows_of(set_.pictures, split_.held_out), encode(names)};

    const std::vector<std::string> asks = what_to_ask(o.count);
    asked = encode(asks);
    captions.assign(asks.begin(), asks.begin() + static_cast<std::ptrdiff_t>(prompts.size()));
    const std::vector<Index> first(answers_.begin(), answers_.begin() + static_cast<std::ptrdiff_t>(prompts.size()));
    shown = from_8bit(rows_of(set_.pictures, first));
    sheet = {.columns = static_cast<int>(prompts.size()), .upscale = 2, .padding = 6};
    perfect_name = "true pictures";
  }
  EmojiContest(const EmojiContest&) = delete;  // the captions refer to the items
  EmojiContest& operator=(const EmojiContest&) = delete;

  Tensor<std::int32_t> conditions_of(const Tensor<Index>& items, const Noise& noise) const override {
    std::vector<std::string> texts;
    for (Index i = 0; i < items.size(); ++i)
      texts.push_back(
          captions_.draw(split_.train[static_cast<std::size_t>(items[i])], noise.bits(static_cast<std::uint64_t>(i))));
    return encode(texts);
  }
  std::vector<Family> families() const override {
    return {{"independent", learn_independent},
            {"VAE", learn_vae},
            {"GAN", learn_gan},
            {"GAN-unmatched", learn_gan_unmatched},
            {"diffusion", learn_painter}};
  }
  std::string heads() const override { return "  nearest  in five"; }
  std::string score(const Tensor<float>& pictures) const override { return of(to_8bit(pictures)); }
  std::string perfect() const override { return of(rows_of(set_.pictures, answers_)); }

 private:
  Tensor<std::int32_t> encode(const std::vector<std::string>& texts) const {
    return trimmed(tokenizer_.encode(std::span<const std::string>(texts), words));
  }
  /// The prompts of the sheet, then names of emoji drawn from all that are learned, in each language in turn. Notes the
  /// answers.
  std::vector<std::string> what_to_ask(Index count) {
    std::vector<std::string> asks;
    for (const std::string& prompt : prompts) {
      for (const int item : split_.train) {
        for (int l = 0; l < languages && asks.size() == answers_.size(); ++l) {
          if (captions_.canonical(item, static_cast<Language>(l)) == prompt) answers_.push_back(item);
        }
      }
      if (answers_.size() == asks.size()) throw argument_error("compare: no emoji to learn is called " + prompt);
      asks.push_back(prompt);
    }
    const auto learned = static_cast<Index>(split_.train.size());
    const Tensor<Index> order = Noise{seed}.fork(500).permutation(learned);
    for (Index i = 0; i < learned && static_cast<Index>(asks.size()) < count; ++i) {
      answers_.push_back(split_.train[static_cast<std::size_t>(order[i])]);
      asks.push_back(captions_.canonical(static_cast<int>(answers_.back()), static_cast<Language>(i % languages)));
    }
    return asks;
  }
  std::string of(const Tensor<std::uint8_t>& pictures) const {
    Index first = 0, five = 0;
    for (const Index nearer : near_.ranks(pictures, answers_)) {
      first += nearer == 0;
      five += nearer < 5;
    }
    const double all = static_cast<double>(answers_.size()) / 100;
    char line[64];
    std::snprintf(line, sizeof line, " %6.1f %% %6.1f %%", static_cast<double>(first) / all,
                  static_cast<double>(five) / all);
    return line;
  }

  EmojiSet set_ = read_emoji({.side = 32, .flags = false});
  Split split_ = split_emoji(set_.items);
  Captions captions_{set_.items};
  Tokenizer tokenizer_ = learn_tokens(captions_.corpus(), vocabulary);
  NearestPicture near_{set_.pictures};
  std::vector<Index> answers_;  // the item that each of `asked` is
};

}  // namespace

std::unique_ptr<Contest> emoji_contest(const ContestOptions& options) {
  return std::make_unique<EmojiContest>(options);
}

}  // namespace tessera::examples
