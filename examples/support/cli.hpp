// Command lines of the examples: a thin front of CLI11, which is compiled once (cli.cpp) because it takes many seconds.
//
//   Cli cli("paint", "Paints a picture of what you say.");
//   cli.option("--steps", steps, "denoising steps", 1, 1000);
//   if (const auto end = cli.parse(argc, argv)) return *end;
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tessera::examples {

/// What the programs return.
enum Exit : int { exit_done = 0, exit_failed = 1, exit_usage = 2, exit_file = 3, exit_interrupted = 130 };

class Cli {
 public:
  Cli(const std::string& name, const std::string& description);
  ~Cli();

  /// Names as CLI11 writes them, "--seed,-s". Numbers must be whole (or finite) and within [low, high].
  void option(const std::string& names, std::int64_t& value, const std::string& help, std::int64_t low,
              std::int64_t high);
  void option(const std::string& names, std::uint64_t& value, const std::string& help);
  void option(const std::string& names, double& value, const std::string& help, double low, double high);
  /// The same, and the help ends with the value that it has: "steps in all (default 2000)".
  void number(const std::string& names, std::int64_t& value, const std::string& help, std::int64_t low,
              std::int64_t high);
  void number(const std::string& names, double& value, const std::string& help, double low, double high);
  void option(const std::string& names, std::string& value, const std::string& help);
  void option(const std::string& names, std::vector<std::string>& values, const std::string& help);
  void flag(const std::string& names, bool& value, const std::string& help);
  /// What stands without a name.
  void rest(const std::string& name, std::vector<std::string>& values, const std::string& help);
  bool given(const std::string& name) const;

  /// The exit code if the program should end here: 0 after --help, exit_usage after one clear line on stderr.
  std::optional<int> parse(int argc, char** argv);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// One line on stderr, `program: message`, with control characters made harmless.
void complain(const std::string& program, const std::string& message);

/// Runs a program's body and turns what it throws into a line and an exit code: io_error 3, argument_error 2, else 1.
int guarded(const std::string& program, int (*body)(int, char**), int argc, char** argv);

}  // namespace tessera::examples
