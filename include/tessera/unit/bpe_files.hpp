// Vocabularies in their publishers' files:
//
//   read_tiktoken("cl100k_base.tiktoken", Published::cl100k)   a line a token, `base64 rank`; rank is id and order of joining
//   read_gpt2("encoder.json", "vocab.bpe")                     GPT-2's: {"token": id}, and a line `left right` a merge
//
// (Hugging Face's tokenizer.json is read by tokenizer_json.hpp.) Both throw io_error for whatever is not a vocabulary.
// Memory stays below 4 x the file + 1 MiB, the vocabulary included, down to tokens of 2 bytes on average.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <tessera/core/error.hpp>
#include <tessera/io/bytes.hpp>
#include <tessera/io/file.hpp>
#include <tessera/io/json_text.hpp>
#include <tessera/unit/bpe.hpp>
#include <tessera/unit/byte_alphabet.hpp>
#include <utility>
#include <vector>

namespace tessera {

/// Vocabularies whose .tiktoken files say neither how text is cut nor which special tokens there are.
enum class Published { r50k, p50k, cl100k, o200k };

inline Split split_of(Published which) {
  return which == Published::o200k ? Split::o200k : which == Published::cl100k ? Split::cl100k : Split::gpt2;
}

inline SpecialTokens special_tokens_of(Published which) {
  const auto named = [](std::vector<std::pair<const char*, Token>> list) {
    std::vector<SpecialToken> tokens;
    for (const auto& [name, id] : list) tokens.push_back({.name = name, .id = id});
    return SpecialTokens(std::move(tokens));
  };
  switch (which) {
    case Published::cl100k:
      return named({{"<|endoftext|>", 100257},
                    {"<|fim_prefix|>", 100258},
                    {"<|fim_middle|>", 100259},
                    {"<|fim_suffix|>", 100260},
                    {"<|im_start|>", 100264},
                    {"<|im_end|>", 100265},
                    {"<|im_sep|>", 100266},
                    {"<|endofprompt|>", 100276}});
    case Published::o200k:
      return named({{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}});
    default:
      return named({{"<|endoftext|>", 50256}});
  }
}

namespace unit_detail {

inline constexpr std::uint64_t largest_vocabulary = std::uint64_t{1} << 30;  // bytes of a file

/// Adds a token or says what is wrong with it. `ids` bounds the ids, lest a small file ask for a large table.
inline void add_token(TokenTable& tokens, std::string_view file, const std::string& field, std::int64_t id,
                      std::int64_t ids, std::string_view bytes, bool findable = true) {
  if (id < 0 || id >= ids) { throw_io(file, field, "an id of 0 to " + std::to_string(ids - 1), std::to_string(id)); }
  switch (tokens.add(static_cast<Token>(id), bytes, findable)) {
    case TokenTable::Added::yes:
      return;
    case TokenTable::Added::no_bytes:
      throw_io(file, field, "a token of at least one byte", "an empty one");
    case TokenTable::Added::too_long:
      throw_io(file, field, "a token of at most " + std::to_string(TokenTable::longest) + " bytes",
               std::to_string(bytes.size()));
    case TokenTable::Added::id_taken:
      throw_io(file, field, "each id once", "a second token " + std::to_string(id));
    case TokenTable::Added::bytes_taken:
      throw_io(file, field, "each token once",
               quoted(bytes, 60) + " again, which is token " + std::to_string(tokens.find(bytes)));
    default:
      throw_io(file, field, "an id below " + std::to_string(TokenTable::most), std::to_string(id));
  }
}

/// Of so many tokens, gaps between ids may be this wide: published vocabularies have a few of one or some hundred.
inline std::int64_t ids_for(std::size_t tokens) {
  const std::size_t ids = 2 * tokens + 1024;
  return ids < static_cast<std::size_t>(TokenTable::most) ? static_cast<std::int64_t>(ids) : TokenTable::most;
}

/// The next line, without its end; a last line may lack one.
inline std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end < text.size() ? end + 1 : end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

inline std::size_t count_lines(std::string_view text) {
  std::size_t lines = 0;
  for (const char c : text) lines += c == '\n' ? 1 : 0;
  return lines + (text.empty() || text.back() == '\n' ? 0 : 1);
}

}  // namespace unit_detail

/// The tokens of a .tiktoken file. `name` stands for the file in errors.
inline TokenTable parse_tiktoken(std::string_view text, const std::string& name) {
  const std::size_t lines = unit_detail::count_lines(text);
  const auto too_many = static_cast<std::size_t>(TokenTable::most);
  if (lines > too_many) { throw_io(name, "lines", "at most " + std::to_string(too_many), std::to_string(lines)); }
  TokenTable tokens;
  tokens.reserve(lines, text.size() / 2);  // base64 takes 4 for 3, an id and its space and line end some more
  for (std::size_t line_number = 1; !text.empty(); ++line_number) {
    const std::string_view line = unit_detail::take_line(text);
    const auto field = [&](const char* what) { return "line " + std::to_string(line_number) + ": " + what; };
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || space == 0) {
      throw_io(name, field("token"), "base64, a space and a rank", quoted(line, 60));
    }
    const std::string_view digits = line.substr(space + 1);
    std::int64_t rank = 0;
    if (digits.empty() || digits[0] == '-' || !JsonReader::whole(digits, rank)) {
      throw_io(name, field("rank"), "a whole number", quoted(digits, 60));
    }
    const auto bytes = unit_detail::from_base64(line.substr(0, space));
    if (!bytes) throw_io(name, field("token"), "base64", quoted(line.substr(0, space), 60));
    unit_detail::add_token(tokens, name, field("token"), rank, unit_detail::ids_for(lines), *bytes);
  }
  for (int b = 0; b < 256; ++b) {
    const char c = static_cast<char>(static_cast<unsigned char>(b));
    if (tokens.find({&c, 1}) == TokenTable::none) {
      throw_io(name, "tokens", "all 256 bytes", "none for byte " + std::to_string(b));
    }
  }
  return tokens;
}

/// A tokenizer whose ids are ranks. Throws argument_error if a special token has the id of another token.
inline Bpe bpe_by_rank(TokenTable tokens, Split split, SpecialTokens special = {}) {
  for (const SpecialToken& token : special.all()) {
    if (tokens.has(token.id)) {
      throw argument_error("bpe_by_rank: " + quoted(token.name) + " has id " + std::to_string(token.id) +
                           ", which is " + quoted(tokens[token.id]));
    }
  }
  Bpe::Parts parts;
  parts.merges = merges_by_rank(tokens);
  parts.tokens = std::move(tokens);
  parts.special = std::move(special);
  parts.split = split;
  return Bpe(std::move(parts));
}

inline Bpe read_tiktoken(const std::string& path, Split split, SpecialTokens special = {}) {
  TokenTable tokens = [&] {  // the file's bytes are gone before the merges come
    const Bytes bytes = read_file(path, unit_detail::largest_vocabulary);
    return parse_tiktoken(as_text(bytes), path);
  }();
  try {
    return bpe_by_rank(std::move(tokens), split, std::move(special));
  } catch (const argument_error& e) { throw io_error(printable(path, 400) + ": " + e.what()); }
}

inline Bpe read_tiktoken(const std::string& path, Published which) {
  return read_tiktoken(path, split_of(which), special_tokens_of(which));
}

/// The other way: the tokens and their order as a .tiktoken file. How text is cut and the special tokens are not in it.
inline std::string to_tiktoken(const Bpe& bpe) {
  const TokenTable& tokens = bpe.parts().tokens;
  std::string text;
  for (Token id = 0; id < tokens.size(); ++id) {
    if (tokens.has(id)) text += unit_detail::to_base64(tokens[id]) + " " + std::to_string(id) + "\n";
  }
  return text;
}

/// GPT-2's two files. <|endoftext|>, if encoder.json has it, is a special token.
inline Bpe parse_gpt2(std::string_view encoder, const std::string& encoder_name, std::string_view merges,
                      const std::string& merges_name) {
  constexpr std::string_view end_of_text = "<|endoftext|>";
  const unit_detail::ByteAlphabet alphabet;
  Bpe::Parts parts;
  parts.whole_pieces = false;
  std::vector<SpecialToken> special;

  std::size_t count = 0;
  JsonReader counting(encoder, encoder_name);
  counting.object([&](const std::string&) { counting.number(), ++count; });
  counting.finish();
  parts.tokens.reserve(std::min(count, static_cast<std::size_t>(TokenTable::most)), encoder.size() - 5 * count);
  JsonReader json(encoder, encoder_name);
  json.object([&](const std::string& text) {
    const std::int64_t id = json.integer();
    if (text == end_of_text && id >= 0 && id < unit_detail::ids_for(count)) {
      if (!special.empty()) throw_io(encoder_name, quoted(text), "it once", "a second one");
      special.push_back({.name = text, .id = static_cast<Token>(id)});
      return;
    }
    const auto bytes = alphabet.bytes(text);
    if (!bytes) throw_io(encoder_name, quoted(text, 60), "characters of GPT-2's alphabet of bytes", "others");
    unit_detail::add_token(parts.tokens, encoder_name, quoted(text, 60), id, unit_detail::ids_for(count), *bytes);
  });
  if (!special.empty() && parts.tokens.has(special[0].id)) {
    throw_io(encoder_name, quoted(end_of_text), "an id of its own", std::to_string(special[0].id));
  }

  std::string_view rest = merges;
  if (rest.starts_with("#version")) unit_detail::take_line(rest);
  const std::size_t first_line = rest.size() == merges.size() ? 1 : 2;
  for (std::uint32_t rank = 0; !rest.empty(); ++rank) {
    const std::string_view line = unit_detail::take_line(rest);
    if (line.empty() && rest.empty()) break;
    const std::string field = "line " + std::to_string(rank + first_line);
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      throw_io(merges_name, field, "two tokens and a space between them", quoted(line, 60));
    }
    const auto find = [&](std::string_view text) {
      const auto bytes = alphabet.bytes(text);
      const Token id = bytes ? parts.tokens.find(*bytes) : TokenTable::none;
      if (id == TokenTable::none)
        throw_io(merges_name, field, "tokens of " + printable(encoder_name), quoted(text, 60));
      return id;
    };
    const Token left = find(line.substr(0, space)), right = find(line.substr(space + 1));
    std::string both(line);
    both.erase(space, 1);
    if (rank >= MergeTable::most) {
      throw_io(merges_name, field, "at most " + std::to_string(MergeTable::most) + " merges", "more");
    }
    if (!parts.merges.add(left, right, rank, find(both))) {
      throw_io(merges_name, field, "each merge once", quoted(line, 60) + " again");
    }
  }
  parts.special = SpecialTokens(std::move(special));
  return Bpe(std::move(parts));
}

inline Bpe read_gpt2(const std::string& encoder_path, const std::string& merges_path) {
  const Bytes encoder = read_file(encoder_path, unit_detail::largest_vocabulary);
  const Bytes merges = read_file(merges_path, unit_detail::largest_vocabulary);
  return parse_gpt2(as_text(encoder), encoder_path, as_text(merges), merges_path);
}

}  // namespace tessera
