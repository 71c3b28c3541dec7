// Reads any bytes as the vocabulary in a GGUF file's settings (libFuzzer).
//
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I include -I . tests/fuzz/gguf_vocabulary.cpp -lutf8proc \
//     -o fuzz_gguf_vocabulary
//   ./fuzz_gguf_vocabulary -max_len=4096 -malloc_limit_mb=256 FOLDER tests/fuzz/gguf_vocabulary
//
// tests/fuzz/gguf_vocabulary holds the inputs worth keeping; tests/unit/bpe_corpus.cpp replays them.
#include "tests/fuzz/tokenizers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  test::use_gguf_vocabulary(tessera::as_text({data, size}));
  return 0;
}
