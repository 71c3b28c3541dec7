// Reads any bytes as GPT-2's two files (libFuzzer).
//
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I include -I . tests/fuzz/gpt2.cpp -lutf8proc -o fuzz_gpt2
//   ./fuzz_gpt2 -max_len=8192 -malloc_limit_mb=256 FOLDER tests/fuzz/gpt2
//
// tests/fuzz/gpt2 holds the inputs worth keeping; tests/unit/bpe_corpus.cpp replays them.
#include "tests/fuzz/tokenizers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  test::use_gpt2(tessera::as_text({data, size}));
  return 0;
}
