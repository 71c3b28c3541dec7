// What fuzzing found worth keeping, once more: the inputs of tests/fuzz/tiktoken and so on.
#include "tests/fuzz/replay.hpp"
#include "tests/fuzz/tokenizers.hpp"

using test::replay;

TEST_CASE("the tokenizers' fuzz corpora are read or refused", "[unit]") {
  CHECK(replay("tiktoken", test::use_tiktoken) >= 2);
  CHECK(replay("gpt2", test::use_gpt2) >= 2);
  CHECK(replay("tokenizer_json", test::use_tokenizer_json) >= 3);
  CHECK(replay("gguf_vocabulary", test::use_gguf_vocabulary) >= 2);
  CHECK(replay("merging", test::use_merging) >= 3);
}
