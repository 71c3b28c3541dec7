// What a file says of how it was made, so that --repro makes the same again: names with texts, as a PNG's text chunks.
#pragma once

#include <charconv>
#include <map>
#include <string>
#include <system_error>

#include <tessera/core/error.hpp>
#include <tessera/io/bytes.hpp>

namespace tessera::examples {

/// The shortest text that reads back as the same number.
std::string number_text(double value);

/// 16 hexadecimal digits that tell one weights file from another.
std::string fingerprint_of(const Bytes& bytes);

class StoredSettings {
 public:
  /// `maker` is the program whose files have them, for those who hand it another's.
  StoredSettings(std::string path, std::map<std::string, std::string> texts, std::string maker)
      : path_(std::move(path)), texts_(std::move(texts)), maker_(std::move(maker)) {}

  bool has(const std::string& name) const { return texts_.count(name) != 0; }

  /// Throws io_error when it is missing.
  const std::string& text(const std::string& name) const;

  /// Throws io_error when it is missing, no number, or not within [low, high].
  template <class T>
  T number(const std::string& name, T low, T high) const {
    const std::string& found = text(name);
    const char* end = found.data() + found.size();
    T value{};
    const auto [stop, problem] = std::from_chars(found.data(), end, value);
    if (stop != end || problem != std::errc() || !(value >= low && value <= high))
      refuse(name, static_cast<double>(low), static_cast<double>(high));
    return value;
  }

 private:
  [[noreturn]] void refuse(const std::string& name, double low, double high) const;

  std::string path_;
  std::map<std::string, std::string> texts_;
  std::string maker_;
};

}  // namespace tessera::examples
