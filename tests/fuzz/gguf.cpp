// Reads any bytes as a GGUF file (libFuzzer): everything in it is asked for, and whatever is wrong is an io_error.
//
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I include -I . tests/fuzz/gguf.cpp -o fuzz_gguf
//   ./fuzz_gguf -max_len=2048 -malloc_limit_mb=64 FOLDER
//
// gguf.corpus holds the inputs worth keeping, in hexadecimal; tests/io/gguf_corpus.cpp replays them.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/gguf.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  test::use_gguf(tessera::Bytes(data, data + size));
  return 0;
}
