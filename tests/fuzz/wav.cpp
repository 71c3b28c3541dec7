// Fuzz target of the WAV reader: any bytes are read or refused with an io_error, in bounded memory. What is read can be
// written, and is then read as the same.
//
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I include -I . tests/fuzz/wav.cpp -o fuzz_wav
//   ./fuzz_wav -max_total_time=600 CORPUS       (start it with what tests/io/wav_corpus.cpp lists)
#include <cstdlib>

#include <tessera/io/wav.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  try {
    const Wav wav = parse_wav({data, size}, "fuzz.wav");
    if (static_cast<std::size_t>(wav.samples.size()) > size) std::abort();  // at least a byte a sample
    const Wav again = parse_wav(encode_wav(wav.samples, wav.rate, {.sample = wav.sample, .texts = wav.texts}));
    if (!same_bytes(again.samples, wav.samples) || again.rate != wav.rate || again.texts != wav.texts) std::abort();
  } catch (const io_error&) {}
  return 0;
}
