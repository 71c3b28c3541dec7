// Reads any bytes as a stored run (libFuzzer).
//
//   build-fuzz/fuzz/sequence -max_len=8192 -malloc_limit_mb=256 FOLDER tests/fuzz/sequence
//
// tests/fuzz/sequence holds the inputs worth keeping; tests/generate/file_corpus.cpp replays them.
#include "tests/fuzz/sequences.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  test::use_sequence(tessera::as_text({data, size}));
  return 0;
}
