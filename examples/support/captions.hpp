// What a person might type to get an emoji: its names, and the ways they vary in speech. Training draws from these; the
// prompt at inference goes through the same `normalise` (tessera/unit/prompt.hpp).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tessera/unit/prompt.hpp>

#include "examples/support/emoji.hpp"

namespace tessera::examples {

class Captions {
 public:
  explicit Captions(const std::vector<Emoji>& items) : items_(&items) {}  // refers to the items, which must live on

  /// The name as the data has it, normalised: "woman running: dark skin tone". Within a language no two are the same.
  std::string canonical(int item, Language language) const;

  /// One caption, in a language chosen evenly: in 70 of 100 draws the name; else with an article or measure word, put
  /// as a phrase ("woman running with dark skin tone", "法国国旗"), with a keyword added, or with "emoji". The same
  /// random word gives the same caption.
  std::string draw(int item, std::uint64_t random) const;
  std::string draw(int item, Language language, std::uint64_t random) const;

  /// The lines a vocabulary is learned from: every name, alone and with its measure word, and every keyword, each as
  /// the tokenizer meets it in a batch.
  std::vector<std::string> corpus() const;

 private:
  const std::vector<Emoji>* items_;
};

}  // namespace tessera::examples
