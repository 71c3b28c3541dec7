#include "examples/support/stored_settings.hpp"

#include <cstdio>

#include <tessera/io/text.hpp>

namespace tessera::examples {

std::string number_text(double value) {
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string fingerprint_of(const Bytes& bytes) {
  std::uint64_t h = 0xcbf29ce484222325u;  // FNV-1a: tells files apart, guards against nothing
  for (const std::uint8_t b : bytes) h = (h ^ b) * 0x100000001b3u;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(h));
  return text;
}

const std::string& StoredSettings::text(const std::string& name) const {
  const auto at = texts_.find(name);
  if (at == texts_.end())
    throw io_error(printable(path_) + ": setting " + name + " is missing; --repro reads files made by " + maker_);
  return at->second;
}

void StoredSettings::refuse(const std::string& name, double low, double high) const {
  throw io_error(printable(path_) + ": setting " + name + ": expected a number from " + number_text(low) + " to " +
                 number_text(high) + ", found " + quoted(text(name), 40));
}

}  // namespace tessera::examples
