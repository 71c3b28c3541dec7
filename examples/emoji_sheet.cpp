// The data set to look at: writes a contact sheet of emoji with their names, and lists what is on it.
//
//   emoji_sheet [--output emoji.png] [--side 32] [--first 0] [--count 100] [--language en|zh|zh_Hant] [--held-out]
#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <tessera/io/png.hpp>

#include "examples/support/contact_sheet.hpp"
#include "examples/support/emoji.hpp"

namespace {

using namespace tessera;
using namespace tessera::examples;

struct Options {
  std::string output = "emoji.png";
  int side = 32, first = 0, count = 100;
  Language language = Language::english;
  bool held_out = false;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--held-out") {
      options.held_out = true;
      continue;
    }
    const std::string_view value = i + 1 < argc ? argv[++i] : "";
    const auto number = [&](int& n) {
      const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), n);
      return failure == std::errc() && end == value.data() + value.size() && n >= 0;
    };
    bool good = !value.empty();
    if (flag == "--output") {
      options.output = value;
    } else if (flag == "--side") {
      good = number(options.side);
    } else if (flag == "--first") {
      good = number(options.first);
    } else if (flag == "--count") {
      good = number(options.count) && options.count > 0;
    } else if (flag == "--language") {
      good = value == "en" || value == "zh" || value == "zh_Hant";
      options.language = value == "en"   ? Language::english
                         : value == "zh" ? Language::simplified
                                         : Language::traditional;
    } else {
      throw argument_error(
          "unknown option; the options are --output FILE, --side, --first, --count N, --language en, zh or "
          "zh_Hant, and --held-out");
    }
    if (!good) throw argument_error("the value of " + std::string(flag) + " is missing or makes no sense");
  }
  return options;
}

void run(const Options& options) {
  const EmojiSet set = read_emoji({.side = options.side});
  const Split split = split_emoji(set.items);
  std::printf("%zu emoji: %zu to train on, %zu held out\n", set.items.size(), split.train.size(),
              split.held_out.size());

  const std::size_t all = options.held_out ? split.held_out.size() : set.items.size();
  const Index size = set.pictures.size() / set.pictures.extent(0);
  std::vector<std::uint8_t> pixels;
  std::vector<std::string> names;
  for (std::size_t i = static_cast<std::size_t>(options.first);
       i < all && names.size() < static_cast<std::size_t>(options.count); ++i) {
    const std::size_t item = options.held_out ? static_cast<std::size_t>(split.held_out[i]) : i;
    const Emoji& e = set.items[item];
    const std::uint8_t* picture = set.pictures.data() + static_cast<Index>(item) * size;
    pixels.insert(pixels.end(), picture, picture + size);
    names.push_back(e.name(options.language));
    std::printf("%5zu  %-24s %s | %s | %s\n", item, e.code.c_str(), e.names[0].c_str(), e.names[1].c_str(),
                e.names[2].c_str());
  }
  if (names.empty()) throw argument_error("--first is beyond the last of " + std::to_string(all) + " emoji");
  const Shape shape{static_cast<Index>(names.size()), options.side, options.side, 3};
  const int upscale = options.side < 96 ? 96 / options.side : 1;
  write_png(options.output, contact_sheet(Tensor<std::uint8_t>::from(shape, pixels), names, {.upscale = upscale}));
  std::printf("%s\n", options.output.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  try {
    options = parse(argc, argv);
  } catch (const tessera::error& e) {
    std::fprintf(stderr, "emoji_sheet: %s\n", e.what());
    return 2;
  }
  try {
    run(options);
    return 0;
  } catch (const tessera::error& e) {
    std::fprintf(stderr, "emoji_sheet: %s\n", e.what());
    return 1;
  }
}
