// Reads any bytes as a GPT in a GGUF file (libFuzzer).
//
//   build-fuzz/fuzz/gguf_gpt -max_len=8192 -malloc_limit_mb=256 FOLDER tests/fuzz/gguf_gpt
//
// tests/fuzz/gguf_gpt holds the inputs worth keeping; tests/autoregressive/file_corpus.cpp replays them.
#include "tests/fuzz/checkpoints.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  test::use_gguf_gpt(tessera::as_text({data, size}));
  return 0;
}
