// What fuzzing found worth keeping, once more: the inputs of tests/fuzz/tiktoken and so on.
#include <filesystem>
#include <set>

#include "tests/fuzz/tokenizers.hpp"
#include "tests/support/catch.hpp"

namespace {

/// Uses each file of the folder; returns how many of them were vocabularies.
template <class Use>
int replay(const std::string& name, Use&& use) {
  const std::string folder = std::string(TESSERA_FUZZ_DIR "/") + name;
  std::set<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.insert(entry.path().string());
  int accepted = 0;
  for (const std::string& path : paths) {
    INFO(path);
    const tessera::Bytes bytes = tessera::read_file(path);
    bool is_one = false;
    REQUIRE_NOTHROW(is_one = use(tessera::as_text(bytes)));
    accepted += is_one ? 1 : 0;
  }
  CHECK(paths.size() >= 3);
  return accepted;
}

}  // namespace

TEST_CASE("the tokenizers' fuzz corpora are read or refused", "[unit]") {
  CHECK(replay("tiktoken", test::use_tiktoken) >= 2);
  CHECK(replay("gpt2", test::use_gpt2) >= 2);
  CHECK(replay("tokenizer_json", test::use_tokenizer_json) >= 3);
  CHECK(replay("gguf_vocabulary", test::use_gguf_vocabulary) >= 2);
  CHECK(replay("merging", test::use_merging) >= 3);
}
