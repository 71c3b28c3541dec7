// What the fuzz target and the replay of its corpus do with bytes.
#pragma once

#include <string>

#include <tessera/core/error.hpp>
#include <tessera/io/gguf.hpp>

namespace test {

/// Reads everything there is in a file. True if all of it could be had; false if the file or a setting was refused by
/// an io_error; any other exception passes on.
inline bool use_gguf(const tessera::Bytes& bytes) {
  using tessera::GgufKind;
  try {
    const tessera::Gguf file = tessera::Gguf::parse(bytes, "fuzz.gguf");
    std::size_t seen = 0;
    for (const std::string& name : file.names()) {
      const tessera::Tensor<float> tensor = file.get(name);
      seen += file.bytes(name).size() + static_cast<std::size_t>(tensor.size());
    }
    for (const std::string& key : file.settings.keys()) {
      const GgufKind kind = file.settings.kind(key), element = file.settings.element(key);
      if (kind == GgufKind::text) {
        seen += file.settings.text(key).size();
      } else if (kind == GgufKind::boolean) {
        seen += file.settings.boolean(key) ? 1 : 0;
      } else if (kind != GgufKind::array) {
        seen += file.settings.number(key) > 0 ? 1 : 0;
        if (kind != GgufKind::f32 && kind != GgufKind::f64) seen += file.settings.integer(key) > 0 ? 1 : 0;
      } else if (element == GgufKind::text) {
        for (const std::string_view text : file.settings.texts(key)) seen += text.size();
      } else if (element != GgufKind::array && element != GgufKind::boolean) {
        for (const double number : file.settings.numbers(key)) seen += number > 0 ? 1 : 0;
      }
    }
    return seen != static_cast<std::size_t>(-1);
  } catch (const tessera::io_error&) { return false; }
}

}  // namespace test
