// For what a fuzz target and the replay of its corpus do with bytes.
#pragma once

#include <cstdlib>
#include <string_view>
#include <utility>

namespace test {

/// What was read must hold its promises.
inline void need(bool holds) {
  if (!holds) std::abort();
}

/// The bytes before the first NUL, and those behind it.
inline std::pair<std::string_view, std::string_view> cut(std::string_view bytes) {
  const std::size_t at = bytes.find('\0');
  if (at == std::string_view::npos) return {bytes, {}};
  return {bytes.substr(0, at), bytes.substr(at + 1)};
}

}  // namespace test
