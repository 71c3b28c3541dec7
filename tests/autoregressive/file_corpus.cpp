// What fuzzing found worth keeping, once more: the inputs of tests/fuzz/gpt_file and so on.
#include "tests/fuzz/checkpoints.hpp"
#include "tests/fuzz/replay.hpp"

using test::replay;

TEST_CASE("the checkpoints' fuzz corpora are read or refused", "[autoregressive]") {
  CHECK(replay("gpt_file", test::use_gpt_file) >= 2);
  CHECK(replay("published_gpt", test::use_published_gpt) >= 2);
  CHECK(replay("gguf_gpt", test::use_gguf_gpt) >= 2);
}
