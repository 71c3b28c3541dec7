// Reads any bytes as a .tiktoken file (libFuzzer).
//
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I include -I . tests/fuzz/tiktoken.cpp -lutf8proc -o fuzz_tiktoken
//   ./fuzz_tiktoken -max_len=8192 -malloc_limit_mb=256 FOLDER tests/fuzz/tiktoken
//
// tests/fuzz/tiktoken holds the inputs worth keeping; tests/unit/bpe_corpus.cpp replays them.
#include "tests/fuzz/tokenizers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  test::use_tiktoken(tessera::as_text({data, size}));
  return 0;
}
