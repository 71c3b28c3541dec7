// Reads any bytes as a GPT's own file (libFuzzer).
//
//   build-fuzz/fuzz/gpt_file -max_len=8192 -malloc_limit_mb=256 FOLDER tests/fuzz/gpt_file
//
// tests/fuzz/gpt_file holds the inputs worth keeping; tests/autoregressive/file_corpus.cpp replays them.
#include "tests/fuzz/checkpoints.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  test::use_gpt_file(tessera::as_text({data, size}));
  return 0;
}
