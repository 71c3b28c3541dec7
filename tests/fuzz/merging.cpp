// Cuts any bytes into pieces, and merges by tables made of them (libFuzzer).
//
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I include -I . tests/fuzz/merging.cpp -lutf8proc -o fuzz_merging
//   ./fuzz_merging -max_len=8192 -malloc_limit_mb=256 FOLDER tests/fuzz/merging
//
// tests/fuzz/merging holds the inputs worth keeping; tests/unit/bpe_corpus.cpp replays them.
#include "tests/fuzz/tokenizers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  test::use_merging(tessera::as_text({data, size}));
  return 0;
}
