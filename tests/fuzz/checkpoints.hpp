// What the fuzz targets of language models' files and the replay of their corpora (tests/autoregressive/file_corpus.cpp) do
// with bytes. Each returns whether they were a model; anything but an io_error for those that are none passes on.
#pragma once

#include <cmath>
#include <string_view>

#include <tessera/autoregressive/gpt_decoder.hpp>
#include <tessera/autoregressive/gpt_file.hpp>
#include <tessera/autoregressive/gpt_gguf.hpp>
#include <tessera/autoregressive/gpt_published.hpp>

#include "tests/fuzz/use.hpp"

namespace test {

/// A network that was read takes a unit and the next.
inline void use_network(const tessera::Gpt<float>& net) {
  using namespace tessera;
  const GptDecoder decoder(net);
  GptDecoder::State state = decoder.begin({0});
  need(static_cast<Index>(state.logits().size()) == decoder.vocabulary());
  if (net.config.context > 1) decoder.next(state, static_cast<Unit>(decoder.vocabulary() - 1));
}

/// config.json and model.safetensors with a NUL between them.
inline bool use_published_gpt(std::string_view bytes) {
  using namespace tessera;
  const auto [config, weights] = cut(bytes);
  try {
    const auto data = as_bytes(weights);
    const auto file = Safetensors::parse(Bytes(data.begin(), data.end()), "fuzz.safetensors");
    use_network(*published_gpt(config, "fuzz.json", {file}).net);
    return true;
  } catch (const io_error&) { return false; }
}

inline bool use_gpt_file(std::string_view bytes) {
  using namespace tessera;
  try {
    const auto data = as_bytes(bytes);
    const GptModel model = gpt_from_file(Safetensors::parse(Bytes(data.begin(), data.end()), "fuzz.safetensors"));
    use_network(*model.net);
    return true;
  } catch (const io_error&) { return false; }
}

inline bool use_gguf_gpt(std::string_view bytes) {
  using namespace tessera;
  try {
    const auto data = as_bytes(bytes);
    const GgufGpt file(Gguf::parse(Bytes(data.begin(), data.end()), "fuzz.gguf"));
    const GptDecoder as_stored(file.decoder_weights());
    need(as_stored.vocabulary() == file.config().vocabulary);
    use_network(*file.model().net);
    return true;
  } catch (const io_error&) { return false; }
}

}  // namespace test
