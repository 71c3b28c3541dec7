// Reading a file takes at most 4 x its size + 1 MiB beside the file itself, of whatever it consists.
#include <tessera/io/gguf.hpp>
#include <tessera/io/json.hpp>
#include <tessera/io/safetensors.hpp>
#include <tessera/io/wav.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/memory.hpp"

using namespace tessera;

namespace {

constexpr std::size_t size = std::size_t{6} << 20;

template <class Function>
void check_memory(std::size_t file, const Function& f, std::size_t beside = 0) {
  if (const auto grown = test::peak_growth(f)) {
    INFO("a file of " << file << " bytes took " << *grown << " bytes");
    CHECK(*grown <= 4.0 * static_cast<double>(file) + (1 << 20) + static_cast<double>(beside));
  }
}

}  // namespace

TEST_CASE("files take no more memory than four times their size", "[io]") {
  for (const char* item : {"0,", "[],", "{},", "\"\",", "null,", "[[[[]]]],"}) {
    INFO(item);
    std::string json = "[";
    while (json.size() < size) json += item;
    check_memory(
        json.size(), [&] { Json::parse(json + "0]", "big.json"); }, json.size());
  }

  std::string header = "{";
  for (int i = 0; header.size() < size; ++i)
    header += (i > 0 ? ",\"" : "\"") + std::to_string(i) + R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
  header += "}";
  Bytes tensors;
  append_little(tensors, static_cast<std::uint64_t>(header.size()));
  append(tensors, header);
  check_memory(
      tensors.size(), [&] { Safetensors::parse(tensors, "big.safetensors"); }, tensors.size());

  const Bytes one_byte_samples =
      encode_wav(Tensor<float>(Shape{static_cast<Index>(size), 1}, 0.f), 16000, {.sample = WavSample::int8});
  check_memory(one_byte_samples.size(), [&] { parse_wav(one_byte_samples, "big.wav"); });
}
