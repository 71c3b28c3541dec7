// tokenizer.json, in which Hugging Face keeps a tokenizer: here those with a byte-pair model, over bytes (GPT-2, Llama 3,
// Qwen) or over characters with bytes to fall back on (Llama 2, Mistral, Gemma).
//
//   const Bpe bpe = read_tokenizer_json("tokenizer.json");
//
// What is understood: model BPE (merges as "a b" or ["a", "b"], byte_fallback, ignore_merges, unk_token, fuse_unk); added
// tokens; normalizers NFC, Prepend "▁", Replace " " by "▁", and sequences of them; pre-tokenizers ByteLevel, Metaspace
// without split, and Split by one of the expressions in pretokenize.hpp, recognised by their text; a TemplateProcessing
// post-processor, as before() and after(). Anything else that would change a token is an io_error that names it.
//
// What differs: names of special tokens in a text are text unless asked for (special_tokens.hpp); decoding gives bytes as
// they are, not U+FFFD (detokenizer.hpp does that); added tokens are found before normalisation, whatever `normalized`
// says.
//
// The file is gone through once to see that it is JSON and where its parts are; then the vocabulary, then the merges.
// Memory stays below 4 x the file + 1 MiB beside the file itself.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <tessera/core/error.hpp>
#include <tessera/io/bytes.hpp>
#include <tessera/io/file.hpp>
#include <tessera/io/json.hpp>
#include <tessera/io/json_text.hpp>
#include <tessera/unit/bpe.hpp>
#include <tessera/unit/bpe_files.hpp>
#include <tessera/unit/byte_alphabet.hpp>
#include <tessera/unit/tokenizer_pipeline.hpp>
#include <utility>
#include <vector>

namespace tessera {

namespace unit_detail {

class TokenizerJson {
 public:
  TokenizerJson(std::string_view text, const std::string& name) : name_(name) {
    JsonReader json(text, name);
    slice(json, "", [&](const std::string& key) { return where(key); });
    json.finish();
    if (model_.empty()) throw_io(name_, "\"model\"", "it to be there", "no such member");
    JsonReader model(model_, name + ": model");
    slice(model, "model.", [&](const std::string& key) { return where_in_model(key); });
  }

  Bpe read() {
    const std::string type = model_type_.empty() ? "BPE" : small(model_type_, "model.type").as<std::string>("\"type\"");
    if (type != "BPE") unsupported(name_, "model.type", "\"BPE\"", type);
    if (vocab_.empty()) throw_io(name_, "model.vocab", "it to be there", "no such member");
    for (const auto& [what, where] :
         {std::pair{"model.continuing_subword_prefix", prefix_}, {"model.end_of_word_suffix", suffix_}}) {
      if (where.empty()) continue;
      const Json affix = small(where, what);
      if (!affix.is_null() && !affix.as<std::string>(what).empty()) unsupported(name_, what, "none", affix.dump());
    }
    parts_.split = Split::none;
    parts_.whole_pieces = flag(ignore_merges_, "model.ignore_merges");
    parts_.one_unknown = flag(fuse_unk_, "model.fuse_unk");
    falls_back_ = flag(byte_fallback_, "model.byte_fallback");
    TokenizerPipeline pipeline{.name = name_, .parts = parts_};
    pipeline.normalizer(small(normalizer_, "normalizer"));
    pipeline.pre_tokenizer(small(pre_tokenizer_, "pre_tokenizer"));
    pipeline.decoder(small(decoder_, "decoder"));
    byte_level_ = pipeline.byte_level;
    parts_.characters = !byte_level_;
    added_tokens();
    vocabulary();
    merges();
    if (!unknown_.empty()) {
      const Json unknown = small(unknown_, "model.unk_token");
      if (!unknown.is_null()) {
        const std::string text = unknown.as<std::string>("\"unk_token\"");
        parts_.unknown = raw_.find(text);
        if (parts_.unknown == TokenTable::none)
          throw_io(name_, "model.unk_token", "a token of the vocabulary", quoted(text));
      }
    }
    pipeline.template_tokens(small(post_processor_, "post_processor"));
    raw_ = {};
    try {
      parts_.special = SpecialTokens(std::move(special_));
    } catch (const argument_error& e) { throw_io(name_, "added_tokens", "names that can be told apart", e.what()); }
    Bpe bpe(std::move(parts_));
    for (const std::vector<Token>* frame : {&bpe.before(), &bpe.after()}) {
      for (const Token id : *frame) {
        if (!bpe.has(id)) throw_io(name_, "post_processor", "ids of tokens", std::to_string(id));
      }
    }
    return bpe;
  }

 private:
  using Text = std::string_view;

  Text* where(std::string_view key) {
    if (key == "model") return &model_;
    if (key == "added_tokens") return &added_;
    if (key == "normalizer") return &normalizer_;
    if (key == "pre_tokenizer") return &pre_tokenizer_;
    if (key == "post_processor") return &post_processor_;
    return key == "decoder" ? &decoder_ : nullptr;
  }
  Text* where_in_model(std::string_view key) {
    if (key == "type") return &model_type_;
    if (key == "vocab") return &vocab_;
    if (key == "merges") return &merges_;
    if (key == "unk_token") return &unknown_;
    if (key == "byte_fallback") return &byte_fallback_;
    if (key == "ignore_merges") return &ignore_merges_;
    if (key == "fuse_unk") return &fuse_unk_;
    if (key == "continuing_subword_prefix") return &prefix_;
    return key == "end_of_word_suffix" ? &suffix_ : nullptr;
  }

  template <class Where>
  void slice(JsonReader& json, const std::string& path, Where&& where_is) {
    json.object([&](const std::string& key) {
      Text* place = where_is(key);
      if (place != nullptr && !place->empty()) throw_io(name_, path + printable(key), "it once", "a second one");
      const Text value = json.skip();
      if (place != nullptr) *place = value;
    });
  }

  /// A small part as a value; null if it is not there.
  Json small(Text text, const std::string& field) const {
    return text.empty() ? Json() : Json::parse(text, name_ + ": " + field);
  }
  bool flag(Text text, const std::string& field) const {
    const Json value = small(text, field);
    return !value.is_null() && value.as<bool>(field);
  }
  void added_tokens() {
    if (added_.empty()) return;
    JsonReader json(added_, name_ + ": added_tokens");
    json.array([&] {
      const Json token = Json::parse(json.skip(), name_ + ": added_tokens");
      const std::int64_t id = token.get<std::int64_t>("id");
      const std::string text = token.get<std::string>("content");
      const std::string field = "added_tokens: " + quoted(text, 60);
      if (id < 0 || id >= TokenTable::most) {
        throw_io(name_, field, "an id of 0 to " + std::to_string(TokenTable::most - 1), std::to_string(id));
      }
      if (token.get<bool>("single_word", false)) unsupported(name_, field, "\"single_word\" false", "true");
      special_.push_back({.name = text,
                          .id = static_cast<Token>(id),
                          .word = !token.get<bool>("special", false),
                          .takes_left = token.get<bool>("lstrip", false),
                          .takes_right = token.get<bool>("rstrip", false)});
    });
  }

  /// The byte of <0x41>; -1 for any other token.
  static int byte_of(Text text) {
    if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
    int value = 0;
    for (const char c : text.substr(3, 2)) {
      const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) return -1;
      value = 16 * value + digit;
    }
    return value;
  }

  /// raw_ gets the tokens as they are written, for the merges to find; parts_.tokens what they stand for.
  void vocabulary() {
    std::size_t count = 0;
    JsonReader counting(vocab_, name_ + ": model.vocab");
    counting.object([&](const std::string&) { counting.skip(), ++count; });
    for (TokenTable* table :
         {&raw_, &parts_.tokens})  // an entry has two quotes, a colon, a digit, and a comma or bracket
      table->reserve(std::min(count, static_cast<std::size_t>(TokenTable::most)), vocab_.size() - 5 * count);
    JsonReader json(vocab_, name_ + ": model.vocab");
    std::vector<bool> special;
    for (const SpecialToken& token : special_) {
      if (token.word) continue;
      if (static_cast<std::size_t>(token.id) >= special.size()) special.resize(static_cast<std::size_t>(token.id) + 1);
      special[static_cast<std::size_t>(token.id)] = true;
    }
    json.object([&](const std::string& text) {
      const std::int64_t id = json.integer();
      const std::string field = "model.vocab: " + quoted(text, 60);
      add_token(raw_, name_, field, id, ids_for(count), text);
      std::string bytes = text;
      const auto at = static_cast<std::size_t>(id);
      bool findable = at >= special.size() || !special[at];
      if (byte_level_) {
        if (auto of_alphabet = alphabet_.bytes(text))
          bytes = std::move(*of_alphabet);
        else
          findable = false;  // a literal text, which no merge makes
      } else if (const int byte = falls_back_ ? byte_of(text) : -1; byte >= 0) {
        parts_.bytes[static_cast<std::size_t>(byte)] = static_cast<Token>(id);
        bytes.assign(1, static_cast<char>(static_cast<unsigned char>(byte)));
        findable = false;
      } else if (parts_.marked_spaces) {
        if (bytes.find(' ') != std::string::npos) findable = false;  // text has none of these once spaces are marked
        for (std::size_t i = bytes.find(space_mark); i != std::string::npos; i = bytes.find(space_mark, i + 1)) {
          bytes.replace(i, space_mark.size(), " ");
        }
      }
      add_token(parts_.tokens, name_, field, id, ids_for(count), bytes, findable);
    });
    for (const SpecialToken& token : special_) {
      const Token written = raw_.find(token.name);
      if (raw_.has(token.id) && raw_[token.id] != token.name) {
        throw_io(name_, "added_tokens: " + quoted(token.name, 60), "an id that the vocabulary leaves free",
                 std::to_string(token.id) + ", which is " + quoted(raw_[token.id], 60));
      }
      if (written != TokenTable::none && written != token.id) {
        throw_io(name_, "added_tokens: " + quoted(token.name, 60),
                 "its id in the vocabulary, " + std::to_string(written), std::to_string(token.id));
      }
    }
  }

  void merges() {
    if (merges_.empty()) throw_io(name_, "model.merges", "it to be there", "no such member");
    JsonReader json(merges_, name_ + ": model.merges");
    std::uint32_t rank = 0;
    json.array([&] {
      std::string left, right;
      if (json.peek() == JsonReader::Kind::string) {
        left = json.string();
        const std::size_t space = left.find(' ');
        if (space == std::string::npos || left.find(' ', space + 1) != std::string::npos) {
          throw_io(name_, field(rank), "two tokens and a space between them", quoted(left, 60));
        }
        right = left.substr(space + 1);
        left.resize(space);
      } else {
        int which = 0;
        json.array([&] {
          std::string token = json.string();
          if (which < 2) (which == 0 ? left : right) = std::move(token);
          ++which;
        });
        if (which != 2) throw_io(name_, field(rank), "two tokens", std::to_string(which));
      }
      const auto find = [&](const std::string& text) {
        const Token id = raw_.find(text);
        if (id == TokenTable::none) throw_io(name_, field(rank), "tokens of model.vocab", quoted(text, 60));
        return id;
      };
      const Token from = find(left), with = find(right);
      if (rank >= MergeTable::most) throw_io(name_, "model.merges", "at most 4194303", "more");
      if (!parts_.merges.add(from, with, rank, find(left + right))) {
        throw_io(name_, field(rank), "each merge once", quoted(left, 60) + " and " + quoted(right, 60) + " again");
      }
      ++rank;
    });
  }
  static std::string field(std::uint32_t rank) { return "model.merges: " + std::to_string(rank); }

  std::string name_;
  Text model_, added_, normalizer_, pre_tokenizer_, post_processor_, decoder_;
  Text model_type_, vocab_, merges_, unknown_, byte_fallback_, ignore_merges_, fuse_unk_, prefix_, suffix_;
  bool byte_level_ = false, falls_back_ = false;
  ByteAlphabet alphabet_;
  TokenTable raw_;
  std::vector<SpecialToken> special_;
  Bpe::Parts parts_;
};

}  // namespace unit_detail

/// `name` stands for the file in errors.
inline Bpe parse_tokenizer_json(std::string_view text, const std::string& name) {
  try {
    return unit_detail::TokenizerJson(text, name).read();
  } catch (const io_error& e) {  // a value of Json does not know what file it is from
    const std::string_view what = e.what();
    throw io_error(what.starts_with("JSON: ") ? printable(name, 400).append(what.substr(4)) : std::string(what));
  }
}

inline Bpe read_tokenizer_json(const std::string& path) {
  const Bytes bytes = read_file(path, unit_detail::largest_vocabulary);
  return parse_tokenizer_json(as_text(bytes), path);
}

}  // namespace tessera
