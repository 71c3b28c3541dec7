// What a tokenizer.json does to text around its model: normalizer, pre-tokenizer, decoder and post-processor, as far as a Bpe
// can do the same. tokenizer_json.hpp lists what is understood; anything else that would change a token is an io_error that
// names it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tessera/core/error.hpp>
#include <tessera/io/json.hpp>
#include <tessera/io/json_text.hpp>
#include <tessera/unit/bpe.hpp>
#include <utility>

namespace tessera::unit_detail {

/// The expressions by which published files say how text is cut.
inline std::optional<Split> split_by_expression(std::string_view expression) {
  static constexpr std::pair<std::string_view, Split> known[] = {
      {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", Split::gpt2},
      {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s)",
       Split::cl100k},
      {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)",
       Split::llama3},
      {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
       Split::llama3},
      {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
       Split::qwen2},
      {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
       Split::o200k}};
  for (const auto& [text, split] : known) {
    if (text == expression) return split;
  }
  return std::nullopt;
}

/// What files write for a space.
inline constexpr std::string_view space_mark = "\u2581";

[[noreturn]] inline void unsupported(const std::string& file, const std::string& field, const std::string& supported,
                                     std::string_view found) {
  throw_io(file, field, supported + " (others are not supported)", quoted(found, 300));
}

/// Puts each part that it is shown into `parts`; null says that the file has none.
struct TokenizerPipeline {
  std::string name;  // of the file, for errors
  Bpe::Parts& parts;
  bool byte_level = false;  // tokens are written in the byte alphabet

  void normalizer(const Json& json, int depth = 0) {
    if (json.is_null()) return;
    const std::string type = type_of(json);
    if (type == "Sequence" && depth < 8) {
      for (const Json& each : json.at("normalizers").elements()) normalizer(each, depth + 1);
    } else if (type == "NFC") {
      parts.composed = true;
    } else if (type == "Prepend" && json.get<std::string>("prepend") == space_mark) {
      parts.lead = Bpe::Lead::always;
    } else if (type == "Replace" && pattern(json, "String") == " " && json.get<std::string>("content") == space_mark) {
      parts.marked_spaces = true;
    } else {
      unsupported(name, "normalizer", "NFC, Prepend \"\u2581\", Replace \" \" by \"\u2581\"", json.dump());
    }
  }

  void pre_tokenizer(const Json& json, int depth = 0) {
    if (json.is_null()) return;
    const std::string type = type_of(json);
    const auto cut_by = [&](Split split) {
      if (parts.split != Split::none) unsupported(name, "pre_tokenizer", "one that cuts text", json.dump());
      parts.split = split;
    };
    if (type == "Sequence" && depth < 8) {
      for (const Json& each : json.at("pretokenizers").elements()) pre_tokenizer(each, depth + 1);
    } else if (type == "ByteLevel") {
      byte_level = true;
      if (json.get<bool>("use_regex", true)) cut_by(Split::gpt2);
      if (json.get<bool>("add_prefix_space", true)) {
        if (depth > 0)
          unsupported(name, "pre_tokenizer", "ByteLevel in a sequence with add_prefix_space false", json.dump());
        parts.lead = Bpe::Lead::missing;
      }
    } else if (type == "Metaspace" && json.get<std::string>("replacement", std::string(space_mark)) == space_mark &&
               !json.get<bool>("split", true)) {
      parts.marked_spaces = true;
      const std::string scheme = json.get<std::string>("prepend_scheme", "always");
      if (scheme == "always") parts.lead = Bpe::Lead::missing;
      if (scheme == "first") parts.lead = Bpe::Lead::first;
    } else if (type == "Split") {
      const std::string behavior = json.get<std::string>("behavior");
      const bool invert = json.get<bool>("invert", false);
      const auto expression = pattern(json, "Regex");
      const auto split = expression ? split_by_expression(*expression) : std::nullopt;
      if (split && ((behavior == "Isolated") || (behavior == "Removed" && invert))) {  // both keep all, as all matches
        cut_by(*split);
      } else if (pattern(json, "String") != " " || !parts.marked_spaces) {  // there is no space left to cut at
        unsupported(name, "pre_tokenizer", "a Split by an expression that pretokenize.hpp knows", json.dump());
      }
    } else {
      unsupported(name, "pre_tokenizer", "ByteLevel, Split, Metaspace without split", json.dump());
    }
  }

  void decoder(const Json& json, int depth = 0) {
    if (json.is_null()) return;
    const std::string type = type_of(json);
    if (type == "Sequence" && depth < 8) {
      for (const Json& each : json.at("decoders").elements()) decoder(each, depth + 1);
    } else if (type == "ByteLevel") {
      byte_level = true;
    } else if (type == "Strip") {
      parts.drops_lead = json.get<std::string>("content") == " " && json.get<std::int64_t>("start") == 1;
    } else if (type == "Metaspace") {
      parts.drops_lead = json.get<std::string>("prepend_scheme", "always") != "never";
    }  // Replace, ByteFallback and Fuse undo what reading the vocabulary has undone already
  }

  /// before() and after() of {"type": "TemplateProcessing", "single": [..., {"Sequence": ...}, ...]}.
  void template_tokens(const Json& json, int depth = 0) {
    if (json.is_null()) return;
    const std::string type = type_of(json);
    if (type == "Sequence" && depth < 8) {
      for (const Json& each : json.at("processors").elements()) template_tokens(each, depth + 1);
    }
    if (type != "TemplateProcessing") return;
    bool after = false;
    for (const Json& each : json.at("single").elements()) {
      if (each.find("Sequence") != nullptr) after = true;
      const Json* special = each.find("SpecialToken");
      if (special == nullptr) continue;
      for (const Json& id : json.at("special_tokens").at(special->get<std::string>("id")).at("ids").elements()) {
        const auto token = id.as<std::int64_t>("\"ids\"");
        if (token < 0 || token >= TokenTable::most) throw_io(name, "post_processor", "ids of tokens", id.dump());
        (after ? parts.after : parts.before).push_back(static_cast<Token>(token));
      }
    }
  }

 private:
  static std::string type_of(const Json& json) { return json.get<std::string>("type"); }
  static std::optional<std::string> pattern(const Json& json, std::string_view kind) {
    const Json* pattern = json.find("pattern");
    const Json* found = pattern != nullptr && pattern->is_object() ? pattern->find(kind) : nullptr;
    if (found == nullptr) return std::nullopt;
    return found->as<std::string>(kind);
  }
};

}  // namespace tessera::unit_detail
