// A small picture in the terminal: two pixels a character by the upper half block in 24-bit colours, on stderr,
// redrawn in place.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <tessera/core/tensor.hpp>

namespace tessera::examples {

/// Whether standard error is a terminal, and one that does more than print.
inline bool terminal_shows_pictures() {
  const char* kind = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) != 0 && kind != nullptr && std::string_view(kind) != "dumb";
}

class TerminalPicture {
 public:
  explicit TerminalPicture(bool on) : on_(on) {}
  bool on() const { return on_; }

  /// [H, W, 3]
  void show(const Tensor<std::uint8_t>& picture) {
    const Index h = picture.extent(0), w = picture.extent(1);
    std::string text = shown_ ? "\x1b[" + std::to_string((h + 1) / 2) + "A" : std::string();
    const auto colour = [&](const char* kind, Index y, Index x) {
      const std::uint8_t* p = picture.data() + (y * w + x) * 3;
      text += "\x1b[" + std::string(kind) + ";2;" + std::to_string(p[0]) + ';' + std::to_string(p[1]) + ';' +
              std::to_string(p[2]) + 'm';
    };
    for (Index y = 0; y < h; y += 2) {
      for (Index x = 0; x < w; ++x) {
        colour("38", y, x);
        if (y + 1 < h) colour("48", y + 1, x);
        text += "▀";
      }
      text += "\x1b[0m\n";
    }
    std::fputs(text.c_str(), stderr);
    std::fflush(stderr);
    shown_ = true;
  }

 private:
  bool on_, shown_ = false;
};

}  // namespace tessera::examples
