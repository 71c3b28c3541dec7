// What fuzzing found worth keeping, once more. For files called *_corpus.cpp, which are told where it lies.
#pragma once

#include <filesystem>
#include <set>
#include <string>

#include <tessera/io/file.hpp>

#include "tests/support/catch.hpp"

namespace test {

/// Uses each file of the folder; returns how many of them `use` took.
template <class Use>
int replay(const std::string& name, Use&& use) {
  const std::string folder = std::string(TESSERA_FUZZ_DIR "/") + name;
  std::set<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.insert(entry.path().string());
  int accepted = 0;
  for (const std::string& path : paths) {
    INFO(path);
    const tessera::Bytes bytes = tessera::read_file(path);
    bool is_one = false;
    REQUIRE_NOTHROW(is_one = use(tessera::as_text(bytes)));
    accepted += is_one ? 1 : 0;
  }
  CHECK(paths.size() >= 3);
  return accepted;
}

}  // namespace test
