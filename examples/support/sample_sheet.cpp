#include "examples/support/sample_sheet.hpp"

#include <tessera/io/png.hpp>

#include "examples/support/contact_sheet.hpp"

namespace tessera::examples {

void write_sample_sheet(const std::string& path, const PaintPrompts& paint) {
  const std::vector<std::string> prompts = {"red heart",
                                            "狗",
                                            "woman running: dark skin tone",
                                            "pizza",
                                            "crying face",
                                            "貓臉",
                                            "rocket",
                                            "蘋果",
                                            "waving hand: light skin tone",
                                            "sun",
                                            "雪人",
                                            "blue circle",
                                            "man farmer: medium skin tone",
                                            "鬱金香",
                                            "house",
                                            "bicycle"};
  std::vector<Noise> noises;
  for (std::size_t i = 0; i < prompts.size(); ++i) noises.push_back(Noise{42}.fork(i));
  write_png(path, contact_sheet(to_8bit(paint(prompts, noises)), prompts, {.columns = 4, .upscale = 4}));
}

}  // namespace tessera::examples
