// The vocabulary in a GGUF file's settings (io/gguf.hpp), as llama.cpp's converters put it there.
//
//   const Bpe bpe = gguf_tokenizer(Gguf::read("gpt2-q8_0.gguf").settings, "gpt2-q8_0.gguf");
//
//   tokenizer.ggml.model        "gpt2": over bytes, tokens in GPT-2's alphabet, merges as they are listed
//                               "llama": over characters with bytes to fall back on; of two neighbours those are joined whose
//                               token has the best score (SentencePiece: Kudo & Richardson 2018, arXiv 1808.06226)
//   tokenizer.ggml.tokens, .token_type, .scores, .merges, .pre, .bos_token_id, .eos_token_id, .add_bos_token, ...
//
// Token types: 1 normal, 2 unknown, 3 control, 4 added, 5 unused, 6 a byte as <0x41>. A `pre` that pretokenize.hpp does not
// know is an error, for text would be cut in other places than the model learned.
#pragma once

#include <tessera/io/gguf_settings.hpp>
#include <tessera/unit/bpe.hpp>
#include <tessera/unit/bpe_files.hpp>

namespace tessera {

namespace unit_detail {

class GgufVocabulary {
 public:
  GgufVocabulary(const GgufSettings& settings, const std::string& name) : settings_(settings), name_(name) {}

  Bpe read() {
    const std::string model = settings_.text(key("model"));
    if (model != "gpt2" && model != "llama") fail("model", "gpt2 or llama", quoted(model, 60));
    characters_ = model == "llama";
    texts_ = settings_.texts(key("tokens"));
    if (texts_.size() > static_cast<std::size_t>(TokenTable::most))
      fail("tokens", "at most " + std::to_string(TokenTable::most), std::to_string(texts_.size()));
    if (has("token_type")) types_ = settings_.integers(key("token_type"));
    if (!types_.empty() && types_.size() != texts_.size())
      fail("token_type", std::to_string(texts_.size()) + " of them, one a token", std::to_string(types_.size()));
    parts_.whole_pieces = false;
    tokens();
    if (characters_) {
      parts_.split = Split::none;
      parts_.characters = parts_.marked_spaces = true;
      if (flag("add_space_prefix", true)) parts_.lead = Bpe::Lead::always, parts_.drops_lead = true;
      merges_by_score();
    } else {
      parts_.split = split();
      if (flag("add_space_prefix", false)) parts_.lead = Bpe::Lead::missing;
      listed_merges();
    }
    if (flag("add_bos_token", characters_)) frame("bos_token_id", parts_.before);
    if (flag("add_eos_token", false)) frame("eos_token_id", parts_.after);
    try {
      parts_.special = SpecialTokens(std::move(special_));
      return Bpe(std::move(parts_));
    } catch (const argument_error& e) { fail("tokens", "special tokens that can be told apart", e.what()); }
  }

 private:
  enum Type : std::int64_t { normal = 1, unknown, control, added, unused, byte };

  static std::string key(const char* what) { return std::string("tokenizer.ggml.") + what; }
  bool has(const char* what) const { return settings_.contains(key(what)); }
  bool flag(const char* what, bool otherwise) const { return has(what) ? settings_.boolean(key(what)) : otherwise; }
  [[noreturn]] void fail(const char* what, const std::string& wanted, const std::string& found) const {
    throw_io(name_, "setting " + quoted(key(what)), wanted, found);
  }

  Split split() const {
    const std::string pre = has("pre") ? settings_.text(key("pre")) : "default";
    for (const auto& [name, split] : {std::pair{"default", Split::gpt2},
                                      {"gpt-2", Split::gpt2},
                                      {"llama-bpe", Split::llama3},
                                      {"llama3", Split::llama3},
                                      {"qwen2", Split::qwen2},
                                      {"gpt-4o", Split::o200k}}) {
      if (pre == name) return split;
    }
    fail("pre", "default, gpt-2, llama-bpe, llama3, qwen2 or gpt-4o", quoted(pre, 60));
  }

  void tokens() {
    constexpr std::string_view mark = "\u2581";
    const auto ids = static_cast<std::int64_t>(texts_.size());
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      const std::int64_t type = types_.empty() ? normal : types_[i];
      const auto id = static_cast<Token>(i);
      const std::string_view text = texts_[i];
      const std::string field = "setting " + quoted(key("tokens")) + "[" + std::to_string(i) + "]";
      if (type == control || type == added) {
        special_.push_back({.name = std::string(text), .id = id, .word = type == added});
        continue;
      }
      bool findable = type == normal;
      std::string bytes(text);
      if (type == unknown) {
        parts_.unknown = id;
      } else if (characters_ && type == byte) {
        const int b = byte_of(text);
        if (b < 0) throw_io(name_, field, "a byte as <0x41>, as its type is 6", quoted(text, 60));
        if (parts_.bytes[static_cast<std::size_t>(b)] != TokenTable::none)
          throw_io(name_, field, "each byte once", quoted(text));
        parts_.bytes[static_cast<std::size_t>(b)] = id;
        bytes.assign(1, static_cast<char>(static_cast<unsigned char>(b)));
      } else if (characters_) {
        for (std::size_t at = bytes.find(mark); at != bytes.npos; at = bytes.find(mark, at + 1))
          bytes.replace(at, mark.size(), " ");
      } else if (auto of_alphabet = alphabet_.bytes(text)) {
        bytes = std::move(*of_alphabet);
      } else {
        findable = false;
      }
      add_token(parts_.tokens, name_, field, id, ids, bytes, findable);
    }
  }

  /// The byte of <0x41>; -1 for any other token.
  static int byte_of(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
    const std::size_t high = digits.find(text[3]), low = digits.find(text[4]);
    return high == digits.npos || low == digits.npos ? -1 : static_cast<int>(16 * high + low);
  }

  void listed_merges() {
    std::uint32_t rank = 0;
    for (const std::string_view line : settings_.texts(key("merges"))) {
      const std::size_t space = line.find(' ');
      const std::string field = "setting " + quoted(key("merges")) + "[" + std::to_string(rank) + "]";
      if (space == line.npos) throw_io(name_, field, "two tokens and a space between them", quoted(line, 60));
      const auto find = [&](std::string_view text) {
        const auto bytes = alphabet_.bytes(text);
        const Token id = bytes ? parts_.tokens.find(*bytes) : TokenTable::none;
        if (id == TokenTable::none) throw_io(name_, field, "tokens of the vocabulary", quoted(text, 60));
        return id;
      };
      const Token left = find(line.substr(0, space)), right = find(line.substr(space + 1));
      const Token both = find(std::string(line.substr(0, space)) + std::string(line.substr(space + 1)));
      if (rank >= MergeTable::most || !parts_.merges.add(left, right, rank, both))
        throw_io(name_, field, "each merge once, and at most " + std::to_string(MergeTable::most), quoted(line, 60));
      ++rank;
    }
  }

  /// Every way to make a token out of two others, the tokens of the best scores first.
  void merges_by_score() {
    const std::vector<double> scores = settings_.numbers(key("scores"));
    if (scores.size() != texts_.size())
      fail("scores", std::to_string(texts_.size()) + " of them, one a token", std::to_string(scores.size()));
    std::vector<Token> order;
    for (Token id = 0; id < parts_.tokens.size(); ++id) {
      const double score = scores[static_cast<std::size_t>(id)];
      if (score != score) fail("scores", "numbers", "NaN for token " + std::to_string(id));
      if (parts_.tokens.has(id) && parts_.tokens.find(parts_.tokens[id]) == id) order.push_back(id);
    }
    std::stable_sort(order.begin(), order.end(), [&](Token a, Token b) {
      return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
    });
    std::uint32_t rank = 0;
    for (const Token id : order) {
      const std::string_view whole = parts_.tokens[id];
      for (std::size_t at = 1; at < whole.size(); ++at) {
        const Token left = parts_.tokens.find(whole.substr(0, at));
        const Token right = left == TokenTable::none ? left : parts_.tokens.find(whole.substr(at));
        if (right == TokenTable::none) continue;
        if (rank >= MergeTable::most)
          fail("tokens", "at most " + std::to_string(MergeTable::most) + " ways to join two", "more");
        parts_.merges.add(left, right, rank++, id);
      }
    }
  }

  void frame(const char* what, std::vector<Token>& tokens) const {
    if (!has(what)) return;
    const std::int64_t id = settings_.integer(key(what));
    if (id < 0 || id >= static_cast<std::int64_t>(texts_.size()))
      fail(what, "the id of a token, below " + std::to_string(texts_.size()), std::to_string(id));
    tokens.push_back(static_cast<Token>(id));
  }

  const GgufSettings& settings_;
  std::string name_;
  bool characters_ = false;
  std::vector<std::string_view> texts_;
  std::vector<std::int64_t> types_;
  std::vector<SpecialToken> special_;
  ByteAlphabet alphabet_;
  Bpe::Parts parts_;
};

}  // namespace unit_detail

/// `name` stands for the file in errors. Throws io_error.
inline Bpe gguf_tokenizer(const GgufSettings& settings, const std::string& name) {
  return unit_detail::GgufVocabulary(settings, name).read();
}

/// The token that ends a text, -1 if the file names none.
inline Token gguf_end_of_text(const GgufSettings& settings) {
  const std::string key = "tokenizer.ggml.eos_token_id";
  const std::int64_t token = settings.contains(key) ? settings.integer(key) : -1;
  return token >= 0 && token <= 0x7FFFFFFF ? static_cast<Token>(token) : -1;
}

}  // namespace tessera
