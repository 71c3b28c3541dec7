#include "examples/support/contest.hpp"

#include <tessera/io/text.hpp>

namespace tessera::examples {

std::unique_ptr<Contest> contest_named(const std::string& data, const ContestOptions& options) {
  if (data == "fashion") return fashion_contest(options);
  if (data == "emoji") return emoji_contest(options);
  throw argument_error("--data " + quoted(data) + ": wanted fashion or emoji");
}

}  // namespace tessera::examples
