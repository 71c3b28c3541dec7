// How the config of a model says that a field makes no sense, and how a model asks it before anything is made of it.
//
//   WaveNet: depth is 0, wanted 1 to 20
#pragma once

#include <string>
#include <tessera/core/error.hpp>
#include <tessera/core/index.hpp>

namespace tessera {

/// Throws argument_error in the name of a model.
struct ConfigCheck {
  const char* model;

  void want(bool good, const char* field, Index found, const std::string& wanted) const {
    if (!good)
      throw argument_error(std::string(model) + ": " + field + " is " + std::to_string(found) + ", wanted " + wanted);
  }
  void within(const char* field, Index found, Index low, Index high) const {
    if (found < low || found > high) want(false, field, found, std::to_string(low) + " to " + std::to_string(high));
  }
  /// A size that goes into a file: 1, or `low`, to 2^24.
  void size(const char* field, Index found, Index low = 1) const {
    constexpr Index most = Index{1} << 24;
    if (found < low || found >= most) want(false, field, found, std::to_string(low) + " to 2^24");
  }
};

/// The config itself, after its check(): for the first member that a constructor makes.
template <class Config>
const Config& checked(const Config& c) {
  c.check();
  return c;
}

/// What models of two halves, one that reads and one that answers, have alike in their configs.
template <class Config>
void check_halves(const ConfigCheck& check, const Config& c) {
  check.size("source_units", c.source_units, 2);
  check.size("target_units", c.target_units, 2);
  check.size("source_length", c.source_length);
  check.size("target_length", c.target_length);
  check.within("width", c.width, 1, 65536);
  check.want(c.heads >= 1 && c.width % c.heads == 0, "heads", c.heads,
             "a divisor of the width, " + std::to_string(c.width));
  check.within("layers", c.layers, 1, 1024);
}

}  // namespace tessera
