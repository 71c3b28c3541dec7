#include "examples/support/language_model.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <utility>

#include <tessera/autoregressive/gpt_gguf.hpp>
#include <tessera/autoregressive/gpt_published.hpp>
#include <tessera/unit/bpe_files.hpp>
#include <tessera/unit/gguf_tokenizer.hpp>
#include <tessera/unit/tokenizer_json.hpp>

#include "examples/support/char_training.hpp"

namespace tessera::examples {

namespace {

bool exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}
bool is_folder(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Words words_of(Bpe bpe, Index vocabulary, Token end = -1) {
  Words w;
  const auto shared = std::make_shared<const Bpe>(std::move(bpe));
  for (Token t = 0; t < static_cast<Token>(vocabulary); ++t) {
    w.texts.push_back(shared->has(t) ? std::string(shared->bytes(t)) : "");
    w.special.push_back(shared->is_special(t));
  }
  w.encode = [shared](std::string_view text) { return shared->encode(text); };
  if (end >= 0 && end < static_cast<Token>(vocabulary)) w.end.push_back(end);
  for (const char* name : {"<|endoftext|>", "</s>", "<|end_of_text|>"}) {
    for (std::size_t t = 0; t < w.texts.size(); ++t) {
      if (w.texts[t] == name && (w.end.empty() || w.end[0] != static_cast<Unit>(t)))
        w.end.push_back(static_cast<Unit>(t));
    }
  }
  for (const Token t : shared->before()) {
    if (t < static_cast<Token>(vocabulary)) w.before.push_back(t);
  }
  if (!w.end.empty()) w.start = w.end[0];
  return w;
}

Words words_of_characters(const GptModel& model, const std::string& path) {
  Words w;
  const auto characters = std::make_shared<const Characters>(characters_of(model, path));
  w.texts = model.units;
  w.encode = [characters](std::string_view text) { return characters->encode(text); };
  for (std::size_t u = 0; u < w.texts.size(); ++u) {
    if (w.texts[u] == "\n") w.start = static_cast<Unit>(u);
  }
  if (const auto end = model.metadata.find(end_of_text_key); end != model.metadata.end()) {
    const auto unit = std::find(w.texts.begin(), w.texts.end(), end->second);
    if (unit == w.texts.end())
      throw_io(path, std::string("metadata ") + end_of_text_key, "one of the model's characters",
               quoted(end->second, 40));
    w.end.push_back(static_cast<Unit>(unit - w.texts.begin()));
  }
  return w;
}

LanguageModel load_gguf(const std::string& path, const std::string& tokenizer, bool as_stored) {
  const GgufGpt file = GgufGpt::read(path);
  LanguageModel l;
  if (as_stored)
    l.stored = file.decoder_weights();
  else
    l.model = file.model();
  const GgufSettings& settings = file.file().settings;
  l.words = words_of(tokenizer.empty() ? gguf_tokenizer(settings, path) : read_tokenizer_json(tokenizer),
                     file.config().vocabulary, gguf_end_of_text(settings));
  return l;
}

LanguageModel load_published(const std::string& path, const std::string& tokenizer) {
  LanguageModel l;
  l.model = load_published_gpt(path);
  const std::string at = is_folder(path) ? path : io_detail::folder_of(path);
  const Index vocabulary = l.config().vocabulary;
  if (!tokenizer.empty() || exists(at + "/tokenizer.json"))
    l.words = words_of(read_tokenizer_json(tokenizer.empty() ? at + "/tokenizer.json" : tokenizer), vocabulary);
  else
    l.words = words_of(read_gpt2(at + "/vocab.json", at + "/merges.txt"), vocabulary);
  return l;
}

template <class Enum>
Enum one_of(const char* option, const std::string& found, std::initializer_list<std::pair<const char*, Enum>> names) {
  std::string wanted;
  for (const auto& [name, value] : names) {
    if (found == name) return value;
    wanted += std::string(wanted.empty() ? "" : ", ") + name;
  }
  throw argument_error(std::string(option) + " takes one of " + wanted + ", not " + quoted(found, 40));
}

}  // namespace

LanguageModel load_language_model(const std::string& path, const std::string& tokenizer, bool as_stored) {
  if (path.ends_with(".gguf")) return load_gguf(path, tokenizer, as_stored);
  if (!is_folder(path)) {
    const Safetensors file = Safetensors::read(path);
    const auto format = file.metadata.find("format");
    if (format != file.metadata.end() && format->second != "pt") {  // what published files say of themselves
      LanguageModel l;
      l.model = gpt_from_file(file);
      l.words = words_of_characters(l.model, path);
      return l;
    }
  }
  return load_published(path, tokenizer);
}

std::vector<std::string> plain_texts(const Words& words) {
  std::vector<std::string> texts = words.texts;
  for (std::size_t u = 0; u < words.special.size(); ++u) {
    if (words.special[u]) texts[u].clear();
  }
  return texts;
}

std::vector<Unit> prompt_of(const Words& words, std::string_view text) {
  std::vector<Unit> units = words.before;
  const std::vector<Unit> more = words.encode(text);
  units.insert(units.end(), more.begin(), more.end());
  if (units.empty()) units.push_back(words.start >= 0 ? words.start : 0);
  return units;
}

WeightFormat weight_format(const char* option, const std::string& name) {
  return one_of<WeightFormat>(
      option, name,
      {{"f32", WeightFormat::f32}, {"f16", WeightFormat::f16}, {"q8", WeightFormat::q8}, {"q4", WeightFormat::q4}});
}
CacheFormat cache_format(const char* option, const std::string& name) {
  return one_of<CacheFormat>(option, name,
                             {{"f32", CacheFormat::f32}, {"f16", CacheFormat::f16}, {"i8", CacheFormat::i8}});
}

}  // namespace tessera::examples
