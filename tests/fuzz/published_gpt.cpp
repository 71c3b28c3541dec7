// Reads config.json and a safetensors file, as a published GPT (libFuzzer).
//
//   build-fuzz/fuzz/published_gpt -max_len=8192 -malloc_limit_mb=256 FOLDER tests/fuzz/published_gpt
//
// tests/fuzz/published_gpt holds the inputs worth keeping; tests/autoregressive/file_corpus.cpp replays them.
#include "tests/fuzz/checkpoints.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  test::use_published_gpt(tessera::as_text({data, size}));
  return 0;
}
