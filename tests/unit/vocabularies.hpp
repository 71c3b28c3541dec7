// Where tests and benchmarks find the vocabularies that tests/unit/golden/vocabularies.mjs fetches.
#pragma once

#include <sys/stat.h>
#include <cstdlib>
#include <optional>
#include <string>

#include "tests/support/catch.hpp"

namespace test {

/// The folder; nothing, and a word about it, if there is none.
inline std::optional<std::string> vocabularies() {
  const char* given = std::getenv("TESSERA_VOCABULARIES");
  const char* home = std::getenv("HOME");
  const std::string folder =
      given != nullptr ? given : std::string(home != nullptr ? home : "") + "/.cache/tessera/vocabularies";
  struct stat info {};
  if (::stat((folder + "/golden.json").c_str(), &info) == 0) return folder;
  WARN("passed over: no vocabularies in " << folder << "; node tests/unit/golden/vocabularies.mjs fetches them");
  return std::nullopt;
}

}  // namespace test
