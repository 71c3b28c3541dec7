// What the fuzz targets of the tokenizers and the replay of their corpora (tests/unit/bpe_corpus.cpp) do with bytes. Each
// returns whether the bytes were a vocabulary; anything but an io_error for those that are none passes on, and what is
// read must hold its promises.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/unit/bpe_files.hpp>
#include <tessera/unit/detokenizer.hpp>
#include <tessera/unit/gguf_tokenizer.hpp>
#include <tessera/unit/tokenizer_json.hpp>

#include "tests/fuzz/use.hpp"
#include "tests/io/gguf_bytes.hpp"

namespace test {

/// Every token can be asked for, and a text of bytes comes back if the vocabulary keeps all bytes.
inline void use_tokenizer(const tessera::Bpe& bpe, std::string_view text) {
  using namespace tessera;
  std::size_t there = 0;
  for (Token id = 0; id < bpe.size(); ++id) {
    if (bpe.has(id)) need(!bpe.bytes(id).empty()), ++there;
  }
  need(there <= static_cast<std::size_t>(bpe.size()));
  const Bpe::Parts& parts = bpe.parts();
  for (const Names& names : {Names::none(), Names::all()}) {
    try {
      const std::vector<Token> tokens = bpe.encode(text, names);
      const std::string back = bpe.decode(tokens);
      if (!parts.characters && !parts.composed && parts.lead == Bpe::Lead::none && !parts.drops_lead &&
          !parts.marked_spaces && parts.unknown == TokenTable::none && names.ignores()) {
        need(back == text);
      }
      Detokenizer stream(bpe);
      for (const Token token : tokens) need(valid_utf8(stream.push(token)));
      need(valid_utf8(stream.finish()));
    } catch (const argument_error&) {}  // a character that the vocabulary cannot write
  }
}

inline bool use_tiktoken(std::string_view bytes) {
  using namespace tessera;
  static const std::string all_bytes = [] {  // which a vocabulary must have, and which fuzzing would not come upon
    std::string text;
    for (int b = 0; b < 256; ++b) {
      const char c = static_cast<char>(static_cast<unsigned char>(b));
      text += unit_detail::to_base64({&c, 1}) + " " + std::to_string(b) + "\n";
    }
    return text;
  }();
  bool accepted = false;
  for (const std::string& file : {std::string(bytes), all_bytes + std::string(bytes)}) {
    try {
      const TokenTable tokens = parse_tiktoken(file, "fuzz.tiktoken");
      const Bpe bpe = bpe_by_rank(tokens, Split::cl100k);
      use_tokenizer(bpe, bytes);
      need(parse_tiktoken(to_tiktoken(bpe), "again").count() == tokens.count());
      accepted = true;
    } catch (const io_error&) {}
  }
  return accepted;
}

/// encoder.json and vocab.bpe with a NUL between them.
inline bool use_gpt2(std::string_view bytes) {
  using namespace tessera;
  const auto [encoder, merges] = cut(bytes);
  try {
    use_tokenizer(parse_gpt2(encoder, "fuzz.json", merges, "fuzz.bpe"), bytes);
    return true;
  } catch (const io_error&) { return false; }
}

inline bool use_tokenizer_json(std::string_view bytes) {
  using namespace tessera;
  try {
    use_tokenizer(parse_tokenizer_json(bytes, "fuzz.json"), bytes);
    return true;
  } catch (const io_error&) { return false; }
}

/// A vocabulary as GGUF settings. The first byte says which settings there are, the second is the id of the token that
/// texts begin with; then a line a token (type, score, text), and after an empty line a line a merge.
inline bool use_gguf_vocabulary(std::string_view bytes) {
  using namespace tessera;
  if (bytes.size() < 2) return false;
  const auto flags = static_cast<unsigned char>(bytes[0]), begin = static_cast<unsigned char>(bytes[1]);
  const auto has = [&](int bit) { return (flags >> bit & 1) != 0; };
  const bool llama = has(0);
  std::vector<std::string> tokens, merges;
  std::vector<std::int32_t> types;
  std::vector<float> scores;
  if (has(1)) {  // all bytes, which a vocabulary must have, and which fuzzing would not come upon
    const unit_detail::ByteAlphabet alphabet;
    for (int b = 0; b < 256; ++b) {
      const char c = static_cast<char>(static_cast<unsigned char>(b)), *const digits = "0123456789ABCDEF";
      tokens.push_back(llama ? std::string("<0x") + digits[b / 16] + digits[b % 16] + ">" : alphabet.text({&c, 1}));
      types.push_back(llama ? 6 : 1);
      scores.push_back(0);
    }
  }
  bool merging = false;
  for (std::size_t at = 2; at < bytes.size();) {
    const std::string_view line = bytes.substr(at, bytes.find('\n', at) - at);
    at += line.size() + 1;
    if (line.empty()) {
      merging = true;
    } else if (merging) {
      merges.emplace_back(line);
    } else {
      types.push_back(line[0] - '0');
      scores.push_back(line.size() > 1 ? static_cast<float>(line[1]) / 4 : NAN);
      tokens.emplace_back(line.substr(std::min<std::size_t>(2, line.size())));
    }
  }
  GgufBytes file;
  file.text("tokenizer.ggml.model", llama ? "llama" : "gpt2");
  file.texts("tokenizer.ggml.tokens", tokens);
  if (has(2)) file.numbers("tokenizer.ggml.token_type", GgufKind::i32, types);
  if (has(3)) file.numbers("tokenizer.ggml.scores", GgufKind::f32, scores);
  if (has(4)) file.texts("tokenizer.ggml.merges", merges);
  if (has(5)) file.number("tokenizer.ggml.bos_token_id", GgufKind::u32, std::uint32_t{begin});
  if (has(6)) file.number("tokenizer.ggml.add_space_prefix", GgufKind::boolean, static_cast<std::uint8_t>(has(7)));
  try {
    use_tokenizer(gguf_tokenizer(Gguf::parse(file.bytes(), "fuzz.gguf").settings, "fuzz.gguf"), bytes);
    return true;
  } catch (const io_error&) { return false; }
}

/// Pieces are all of the text whatever the text; and merging by heap and by windows is merging by its definition.
inline bool use_merging(std::string_view bytes) {
  using namespace tessera;
  for (const Split split : {Split::none, Split::gpt2, Split::cl100k, Split::llama3, Split::qwen2, Split::o200k}) {
    std::string together;
    for_each_piece(split, bytes, [&](std::string_view piece) { need(!piece.empty()), together += piece; });
    need(together == bytes);
  }
  if (bytes.size() < 2) return false;
  // Merges of 3 bytes each: left and right among the tokens so far, and a rank in no relation to their order.
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const int alphabet = 1 + byte(0) % 4;
  const std::size_t count = byte(1) % 24;
  MergeTable table;
  Token tokens = alphabet;
  std::size_t at = 2;
  for (std::size_t i = 0; i < count && at + 3 <= bytes.size(); ++i, at += 3) {
    if (table.add(byte(at) % tokens, byte(at + 1) % tokens, byte(at + 2), tokens)) ++tokens;
  }
  std::vector<Token> symbols;
  for (; at < bytes.size() && symbols.size() < 160; ++at) symbols.push_back(byte(at) % alphabet);
  std::vector<Token> plain = symbols;
  for (;;) {
    std::size_t best = plain.size();
    for (std::size_t i = 0; i + 1 < plain.size(); ++i) {
      const std::uint32_t rank = table.rank(plain[i], plain[i + 1]);
      if (rank != MergeTable::no_rank && (best == plain.size() || rank < table.rank(plain[best], plain[best + 1])))
        best = i;
    }
    if (best == plain.size()) break;
    plain[best] = table.made(table.rank(plain[best], plain[best + 1]));
    plain.erase(plain.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  for (const std::size_t window : std::initializer_list<std::size_t>{4, 7, 16, 4096}) {
    Merger merger;
    merger.window(window);
    std::vector<Token> made;
    merger.merge(table, symbols.data(), symbols.size(), made);
    need(made == plain);
  }
  return true;
}

}  // namespace test
