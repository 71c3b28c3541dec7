// Reads any bytes as a tokenizer.json (libFuzzer).
//
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I include -I . tests/fuzz/tokenizer_json.cpp -lutf8proc -o fuzz_tokenizer_json
//   ./fuzz_tokenizer_json -max_len=8192 -malloc_limit_mb=256 FOLDER tests/fuzz/tokenizer_json
//
// tests/fuzz/tokenizer_json holds the inputs worth keeping; tests/unit/bpe_corpus.cpp replays them.
#include "tests/fuzz/tokenizers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  test::use_tokenizer_json(tessera::as_text({data, size}));
  return 0;
}
