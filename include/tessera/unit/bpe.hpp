// Byte-pair tokenizers as published: GPT-2, cl100k, o200k, Llama, Qwen and their kin (Sennrich, Haddow & Birch 2015, arXiv
// 1508.07909; over bytes: Radford et al. 2019; over characters with bytes to fall back on: Kudo & Richardson 2018,
// arXiv 1808.06226).
//
//   const Bpe bpe = read_tiktoken("cl100k_base.tiktoken", Published::cl100k);       // bpe_files.hpp
//   const Bpe llama = read_tokenizer_json("tokenizer.json");                        // tokenizer_json.hpp
//   std::vector<Token> tokens = bpe.encode("a red heart");
//   std::string text = bpe.decode(tokens);
//
// A text goes through: special tokens found (special_tokens.hpp), normal form, cut into pieces (pretokenize.hpp), merged
// (merge.hpp). Bytes that are not UTF-8 are characters of no kind and come back as they were.
//
// A Bpe is a value: copies share one vocabulary that never changes, and any number of threads may use it.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tessera/core/error.hpp>
#include <tessera/io/text.hpp>
#include <tessera/unit/merge.hpp>
#include <tessera/unit/pretokenize.hpp>
#include <tessera/unit/special_tokens.hpp>
#include <tessera/unit/token_table.hpp>
#include <utility>
#include <vector>

namespace tessera {

namespace unit_detail {

/// What short pieces became, for the length of one call: text repeats its words. 64 KiB, or 512 KiB for long texts.
class WordCache {
 public:
  struct Entry {
    std::uint64_t front = 0, back = 0;  // of the piece; with the length they are all of it
    std::uint8_t length = 0, count = 0;
    Token tokens[3] = {};
  };
  static constexpr std::size_t longest = 16;

  explicit WordCache(std::size_t text) {
    if (text < 2048) return;
    shift_ = text < 262144 ? 53 : 50;
    entries_.resize(std::size_t{1} << (64 - shift_));
  }

  /// The piece's entry, whether it holds the piece or another one; null if the piece is not to be kept.
  Entry* find(std::string_view piece, Entry& key) {
    const std::size_t n = piece.size();
    if (entries_.empty() || n > longest || n == 0) return nullptr;
    const char* p = piece.data();
    if (n >= 8) {
      std::memcpy(&key.front, p, 8);
      std::memcpy(&key.back, p + n - 8, 8);
    } else if (n >= 4) {
      std::uint32_t front = 0, back = 0;
      std::memcpy(&front, p, 4);
      std::memcpy(&back, p + n - 4, 4);
      key.front = front, key.back = back;
    } else {
      const auto byte = [p](std::size_t i) { return std::uint64_t{static_cast<unsigned char>(p[i])}; };
      key.front = byte(0) | byte(n / 2) << 8 | byte(n - 1) << 16;
      key.back = 0;
    }
    key.length = static_cast<std::uint8_t>(n);
    const std::uint64_t h = ((key.front + n) * 0x9E3779B97F4A7C15u ^ key.back) * 0xD6E8FEB86659FD93u;
    return &entries_[h >> shift_];
  }
  static bool holds(const Entry& entry, const Entry& key) {
    return entry.front == key.front && entry.back == key.back && entry.length == key.length;
  }

 private:
  std::vector<Entry> entries_;
  int shift_ = 0;
};

}  // namespace unit_detail

/// The merges of a vocabulary in which a token's id is its rank, as in .tiktoken files: two neighbours are joined if
/// their bytes together are a token, the lowest id first.
///
/// One pair a token is enough: before two neighbours become token t, all merges among t's bytes happen as they do when
/// these stand alone, so the last pair there is the only one that ever makes t. Shorter tokens come first, as these
/// merges make nothing longer. A token that merging does not make from its own bytes is made by no merge at all.
inline MergeTable merges_by_rank(const TokenTable& tokens) {
  std::vector<std::size_t> after(TokenTable::longest + 2);  // where those of each length begin
  for (Token id = 0; id < tokens.size(); ++id) {
    if (tokens[id].size() > 1) ++after[tokens[id].size() + 1];
  }
  for (std::size_t length = 1; length < after.size(); ++length) after[length] += after[length - 1];
  std::vector<Token> by_length(after.back());
  for (Token id = 0; id < tokens.size(); ++id) {
    if (tokens[id].size() > 1) by_length[after[tokens[id].size()]++] = id;
  }
  std::array<Token, 256> byte{};
  for (int b = 0; b < 256; ++b) {
    const char c = static_cast<char>(static_cast<unsigned char>(b));
    byte[static_cast<std::size_t>(b)] = tokens.find({&c, 1});
  }
  MergeTable merges;
  merges.reserve(tokens.count());
  Merger merger;
  std::vector<Token> symbols, parts;
  for (const Token id : by_length) {
    symbols.clear(), parts.clear();
    bool known = true;
    for (const char c : tokens[id]) {
      symbols.push_back(byte[static_cast<unsigned char>(c)]);
      known = known && symbols.back() != TokenTable::none;
    }
    if (!known) continue;
    merger.merge(merges, symbols.data(), symbols.size(), parts);
    if (parts.size() == 2) merges.add(parts[0], parts[1], static_cast<std::uint32_t>(id), id);
  }
  return merges;
}

class Bpe {
 public:
  /// Where a text is given a space in front, so that its first word reads as it does further on.
  enum class Lead { none, always, missing, first };  // missing: unless it starts with one; first: and only at the start

  /// All that a vocabulary is made of; the readers fill it in.
  struct Parts {
    TokenTable tokens;  // what tokens stand for; those of merges and symbols findable
    MergeTable merges;
    SpecialTokens special;
    Split split = Split::gpt2;
    bool whole_pieces = true;    // a piece that is a token becomes that token, whatever merging would make of it
    bool characters = false;     // merging starts from characters, and from bytes for those that are no token
    bool marked_spaces = false;  // U+2581 in a text is a space, as it is in the vocabulary's file
    bool composed = false;       // text is brought into NFC first
    Lead lead = Lead::none;
    bool drops_lead = false;                    // decoding takes one space off the front
    std::array<Token, 256> bytes = no_bytes();  // what stray bytes become; all bytes, if not `characters`
    Token unknown = TokenTable::none;           // what becomes of characters that nothing else fits
    bool one_unknown = false;                   // a run of them is one token
    std::vector<Token> before, after;           // tokens that frame a text (<s> and such)

    static std::array<Token, 256> no_bytes() {
      std::array<Token, 256> none{};
      none.fill(TokenTable::none);
      return none;
    }
  };

  explicit Bpe(Parts parts) : parts_(make(std::move(parts))) {}

  /// One more than the largest id.
  Token size() const { return parts_->size; }
  const SpecialTokens& special() const { return parts_->special; }
  /// What a model was taught to see around a text; encode() adds neither.
  const std::vector<Token>& before() const { return parts_->before; }
  const std::vector<Token>& after() const { return parts_->after; }
  /// Whether decoding takes the space off that encoding put in front.
  bool drops_lead() const { return parts_->drops_lead; }
  const Parts& parts() const { return *parts_; }

  /// The token named so; argument_error if there is none.
  Token special(std::string_view name) const {
    const SpecialToken* token = parts_->special.by_name(name);
    if (token == nullptr) throw argument_error("Bpe: there is no special token " + quoted(name));
    return token->id;
  }
  bool has(Token token) const { return parts_->tokens.has(token) || parts_->special.by_id(token) != nullptr; }
  bool is_special(Token token) const {
    return token >= 0 && token < size() && parts_->special_ids[static_cast<std::size_t>(token)];
  }

  /// What a token stands for: its bytes, or a special token's name.
  std::string_view bytes(Token token) const {
    if (parts_->tokens.has(token)) return parts_->tokens[token];
    const SpecialToken* named = parts_->special.by_id(token);
    if (named == nullptr) {
      throw argument_error("Bpe: there is no token " + std::to_string(token) +
                           " in this vocabulary, whose ids are 0 to " + std::to_string(size() - 1));
    }
    return named->name;
  }

  std::vector<Token> encode(std::string_view text, const Names& names = Names::none()) const {
    std::vector<Token> tokens;
    encode(text, tokens, names);
    return tokens;
  }

  /// Appends to `out`. Throws argument_error for a name that `names` refuses, for one it lists that is no special
  /// token, and for a character that the vocabulary has no way to write (the byte-level ones have one for all); `out`
  /// is then as it was.
  void encode(std::string_view text, std::vector<Token>& out, const Names& names = Names::none()) const {
    for (const std::string& name : names.these()) special(name);
    const std::size_t before = out.size();
    try {
      out.reserve(before + text.size() / 4 + 8);
      Scratch scratch(text.size());
      std::size_t at = 0;
      while (const auto found = parts_->special.next(text, at, names)) {
        encode_stretch(text.substr(at, found->begin - at), at == 0, scratch, out);
        out.push_back(found->token->id);
        at = found->end;
      }
      encode_stretch(text.substr(at), at == 0, scratch, out);
    } catch (...) {
      out.resize(before);
      throw;
    }
  }

  /// The bytes that the tokens stand for, names of special tokens among them unless these are dropped.
  std::string decode(std::span<const Token> tokens, bool keep_special = true) const {
    std::string text;
    bool lead = parts_->drops_lead;
    for (const Token token : tokens) {
      std::string_view more = bytes(token);
      if (is_special(token)) {
        if (keep_special) text += more;
        continue;
      }
      if (lead && more.starts_with(' ')) more.remove_prefix(1);
      lead = false;
      text += more;
    }
    return text;
  }

 private:
  struct Shared : Parts {
    Token size = 0;
    std::vector<bool> special_ids;
    bool falls_back = false;       // every byte has a token
    bool cut_at_spaces = false;    // no merge reaches over the start of a space
    std::array<Token, 128> ascii;  // the tokens of characters, where merging starts from these
  };

  struct Scratch {
    explicit Scratch(std::size_t text_size) : cache(text_size) {}
    unit_detail::WordCache cache;
    Merger merger;
    std::vector<Token> symbols;
    std::string text;
  };

  static std::shared_ptr<const Shared> make(Parts parts) {
    auto made = std::make_shared<Shared>();
    static_cast<Parts&>(*made) = std::move(parts);
    Shared& s = *made;
    s.size = s.tokens.size();
    for (const SpecialToken& token : s.special.all()) {
      if (token.id < 0 || token.id >= TokenTable::most) {
        throw argument_error("Bpe: " + quoted(token.name) + " has id " + std::to_string(token.id) + ", expected 0 to " +
                             std::to_string(TokenTable::most - 1));
      }
      if (token.id >= s.size) s.size = token.id + 1;
    }
    s.special_ids.resize(static_cast<std::size_t>(s.size));
    for (const SpecialToken& token : s.special.all()) s.special_ids[static_cast<std::size_t>(token.id)] = !token.word;
    s.falls_back = true;
    for (std::size_t b = 0; b < 256; ++b) {
      const char c = static_cast<char>(static_cast<unsigned char>(b));
      if (!s.characters && s.bytes[b] == TokenTable::none) s.bytes[b] = s.tokens.find({&c, 1});
      s.falls_back = s.falls_back && s.bytes[b] != TokenTable::none;
      if (b < 128) s.ascii[b] = s.tokens.find({&c, 1});
    }
    s.cut_at_spaces = s.split == Split::none && !s.whole_pieces && (s.falls_back || !s.one_unknown);
    if (s.cut_at_spaces) {
      s.merges.for_each([&](Token left, Token right, std::uint32_t, Token) {
        if (s.tokens[right].starts_with(' ') && !s.tokens[left].ends_with(' ')) s.cut_at_spaces = false;
      });
    }
    return made;
  }

  /// Text without special tokens.
  void encode_stretch(std::string_view text, bool first, Scratch& scratch, std::vector<Token>& out) const {
    if (text.empty()) return;
    const Shared& s = *parts_;
    text = normalised(text, first, scratch);
    const auto see = [&](std::string_view piece) { encode_piece(piece, scratch, out); };
    if (!s.cut_at_spaces) return for_each_piece(s.split, text, see);
    for (std::size_t at = 0; at < text.size();) {  // the spaces before a word, and the word
      std::size_t end = text.find_first_not_of(' ', at);
      end = end == std::string_view::npos ? text.size() : std::min(text.find(' ', end), text.size());
      see(text.substr(at, end - at));
      at = end;
    }
  }

  std::string_view normalised(std::string_view text, bool first, Scratch& scratch) const {
    constexpr std::string_view mark = "\u2581";
    const Shared& s = *parts_;
    const auto ascii = [](std::string_view all) {
      for (const char c : all) {
        if (static_cast<signed char>(c) < 0) return false;
      }
      return true;
    };
    if (s.composed && !ascii(text)) text = scratch.text = nfc(text);
    const bool has_space = text.starts_with(' ') || (s.marked_spaces && text.starts_with(mark));
    const bool lead =
        s.lead == Lead::always || (!has_space && (s.lead == Lead::missing || (s.lead == Lead::first && first)));
    const bool marks = s.marked_spaces && text.find(mark) != std::string_view::npos;
    if (!lead && !marks) return text;
    std::string changed(lead ? " " : "");
    changed.reserve(text.size() + 1);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t next = marks ? std::min(text.find(mark, at), text.size()) : text.size();
      changed += text.substr(at, next - at);
      if (next < text.size()) changed += ' ';
      at = next + mark.size();
    }
    scratch.text = std::move(changed);
    return scratch.text;
  }

  void encode_piece(std::string_view piece, Scratch& scratch, std::vector<Token>& out) const {
    unit_detail::WordCache::Entry key;
    unit_detail::WordCache::Entry* entry = scratch.cache.find(piece, key);
    if (entry == nullptr) return merge_piece(piece, scratch, out);
    if (unit_detail::WordCache::holds(*entry, key)) {
      out.insert(out.end(), entry->tokens, entry->tokens + entry->count);
      return;
    }
    const std::size_t start = out.size();
    merge_piece(piece, scratch, out);
    const std::size_t count = out.size() - start;
    if (count > std::size(key.tokens)) return;
    key.count = static_cast<std::uint8_t>(count);
    for (std::size_t i = 0; i < count; ++i) key.tokens[i] = out[start + i];
    *entry = key;
  }

  void merge_piece(std::string_view piece, Scratch& scratch, std::vector<Token>& out) const {
    const Shared& s = *parts_;
    if (s.whole_pieces && piece.size() <= TokenTable::longest) {
      const Token whole = s.tokens.find(piece);
      if (whole != TokenTable::none) return out.push_back(whole);
    }
    std::vector<Token>& symbols = scratch.symbols;
    symbols.clear();
    if (s.characters) {
      character_symbols(piece, symbols);
    } else {
      symbols.resize(piece.size());
      for (std::size_t i = 0; i < piece.size(); ++i) {
        symbols[i] = s.bytes[static_cast<unsigned char>(piece[i])];
        if (symbols[i] == TokenTable::none) symbols[i] = unknown(piece.substr(i, 1));
      }
    }
    scratch.merger.merge(s.merges, symbols.data(), symbols.size(), out);
  }

  void character_symbols(std::string_view piece, std::vector<Token>& symbols) const {
    const Shared& s = *parts_;
    bool after_unknown = false;
    for (std::size_t at = 0, next = 0; at < piece.size(); at = next) {
      const auto byte = static_cast<unsigned char>(piece[at]);
      const std::size_t length = byte < 128 ? 1 : utf8_at(piece, at).length;  // 0: no UTF-8
      next = at + (length == 0 ? 1 : length);
      const Token whole = byte < 128    ? s.ascii[byte]
                          : length == 0 ? TokenTable::none
                                        : s.tokens.find(piece.substr(at, length));
      if (whole != TokenTable::none) {
        symbols.push_back(whole);
      } else if (s.falls_back) {
        for (std::size_t i = at; i < next; ++i) symbols.push_back(s.bytes[static_cast<unsigned char>(piece[i])]);
      } else if (!after_unknown || !s.one_unknown) {
        symbols.push_back(unknown(piece.substr(at, next - at)));
      }
      after_unknown = whole == TokenTable::none && !s.falls_back;
    }
  }

  Token unknown(std::string_view character) const {
    if (parts_->unknown == TokenTable::none) {
      throw argument_error("Bpe: the vocabulary has no token for " + quoted(character) + " and none for unknown text");
    }
    return parts_->unknown;
  }

  std::shared_ptr<const Shared> parts_;
};

}  // namespace tessera
