// A folder to run one of the example programs in, and what every refusal has to look like.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <tessera/io/text.hpp>

#include "tests/examples/program.hpp"
#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"

namespace test {

constexpr int failed_usage = 2, failed_file = 3, interrupted = 130;

inline bool contains(const std::string& text, std::string_view words) { return text.find(words) != std::string::npos; }

struct Workshop {
  std::string path, name;           // of the program, and what its complaints begin with
  std::vector<std::string> always;  // arguments that every run has
  Scratch folder = {};

  Ended run(std::vector<std::string> words, const std::string& in = "/dev/null", const std::string& out = "") const {
    return start(std::move(words), in, out).end();
  }
  Program start(std::vector<std::string> words, const std::string& in = "/dev/null",
                const std::string& out = "") const {
    words.insert(words.begin(), always.begin(), always.end());
    words.insert(words.begin(), path);
    return {words, folder.path(), in, out};
  }
  void put(const std::string& file, std::string_view text) const { tessera::write_file(folder / file, text); }
  bool has(const std::string& file) const {
    const auto names = folder.names();
    return std::find(names.begin(), names.end(), file) != names.end();
  }

  /// Runs it and expects the exit code, one line on standard error that holds `words`, nothing else, and no new file.
  void refuses(const std::vector<std::string>& command, int code, const std::string& words,
               const std::string& in = "/dev/null", const std::string& out = "") const {
    auto before = folder.names();
    const Ended ended = run(command, in, out);
    auto after = folder.names();
    INFO(tessera::printable(command.empty() ? "" : command.back())
         << " -> " << ended.code << " " << tessera::printable(ended.err, 1000));
    std::sort(before.begin(), before.end());
    std::sort(after.begin(), after.end());
    CHECK(ended.code == code);
    CHECK(ended.out.empty());
    CHECK(ended.err.starts_with(name + ": "));
    CHECK(contains(ended.err, words));
    CHECK(std::count(ended.err.begin(), ended.err.end(), '\n') == 1);
    CHECK(ended.err.find('\x1b') == std::string::npos);
    CHECK(before == after);
  }
  /// The same flag with several values that are none, as --flag=value and as --flag value.
  void refuses_values(const std::vector<std::string>& rest, const std::string& flag,
                      const std::vector<std::string>& values, const std::string& words) const {
    for (const std::string& value : values) {
      std::vector<std::string> command = rest;
      command.push_back(flag + "=" + value);
      refuses(command, failed_usage, words);
      if (value.starts_with('-')) continue;
      command.pop_back();
      command.insert(command.end(), {flag, value});
      refuses(command, failed_usage, words);
    }
  }
  /// A file of ours cut short in several places, and one that is something else.
  void refuses_broken(const std::string& file, const std::vector<std::string>& rest, const std::string& flag,
                      const std::string& suffix) const {
    const tessera::Bytes whole = tessera::read_file(folder / file);
    const auto refuse = [&](const std::string& named) {
      std::vector<std::string> command = rest;
      command.push_back(flag + "=" + named);
      refuses(command, failed_file, named == "." ? "directory" : named);
    };
    refuse("missing" + suffix);
    for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{9}, std::size_t{50},
                                   whole.size() / 2, whole.size() - 1}) {
      tessera::write_file(folder / ("cut" + suffix),
                          tessera::Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
      refuse("cut" + suffix);
    }
    put("text" + suffix, "Dear diary, this is no model at all.");
    refuse("text" + suffix);
  }
};

}  // namespace test
