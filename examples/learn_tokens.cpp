// Learns the vocabulary of `paint` from what all emoji are called in English and in both scripts of Chinese, and shows what
// it does with them. Usage: learn_tokens [VOCABULARY]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <tessera/unit/token_learn.hpp>

#include "examples/support/captions.hpp"
#include "examples/support/emoji.hpp"

namespace {

using namespace tessera;
using namespace tessera::examples;

void show(const Tokenizer& tokenizer, const std::string& text) {
  std::printf("  %s  ->", text.c_str());
  for (const Token token : tokenizer.encode(unit_detail::classify(text).second == 1 ? " " + text : text)) {
    const std::string& bytes = tokenizer.bytes(token);
    const bool whole = static_cast<unsigned char>(bytes[0]) < 0x80 || unit_detail::classify(bytes).second > 1;
    if (whole) std::printf(" [%s]", bytes.c_str());
    if (!whole) std::printf(" <%zu bytes>", bytes.size());
  }
  std::printf("\n");
}

int run(Token vocabulary) {
  const EmojiSet set = read_emoji({.side = 1});
  const Captions captions(set.items);
  const std::vector<std::string> lines = captions.corpus();

  const auto start = std::chrono::steady_clock::now();
  const Tokenizer tokenizer = learn_tokens(lines, vocabulary);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%zu emoji, %zu lines: %d tokens learned in %.2f s, %zu characters when stored\n", set.items.size(),
              lines.size(), tokenizer.size(), seconds.count(), tokenizer.to_string().size());

  const char* const titles[] = {"English", "Chinese, simplified", "Chinese, traditional"};
  for (std::size_t l = 0; l < languages; ++l) {
    std::size_t bytes = 0, tokens = 0, longest = 0, over = 0;
    std::string longest_name;
    for (std::size_t i = 0; i < set.items.size(); ++i) {
      const std::string name = (l == 0 ? " " : "") + captions.canonical(static_cast<int>(i), static_cast<Language>(l));
      const std::size_t n = tokenizer.encode(name).size();
      bytes += name.size();
      tokens += n;
      over += n > 22;
      if (n > longest) longest = n, longest_name = name;
    }
    std::printf("%-22s %.1f tokens a name, %.2f bytes a token, %zu names over 22 tokens, at most %zu:%s\n", titles[l],
                static_cast<double>(tokens) / static_cast<double>(set.items.size()),
                static_cast<double>(bytes) / static_cast<double>(tokens), over, longest, longest_name.c_str());
  }
  for (const char* text :
       {"A red heart", "a dog running", "woman running: dark skin tone", "一隻狗", "一顆紅色的心", "女跑者: 黑皮膚"}) {
    show(tokenizer, normalise(text));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? std::atoi(argv[1]) : 2048);
  } catch (const tessera::error& e) {
    std::fprintf(stderr, "learn_tokens: %s\n", e.what());
    return 1;
  }
}
