#include <map>
#include <set>
#include <tessera/core/error.hpp>
#include <tessera/unit/token_learn.hpp>

#include "examples/support/captions.hpp"
#include "examples/support/contact_sheet.hpp"
#include "examples/support/emoji.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

const EmojiSet& emoji() {
  static const EmojiSet set = read_emoji();
  return set;
}

int find(const std::string& english) {
  for (std::size_t i = 0; i < emoji().items.size(); ++i) {
    if (emoji().items[i].name(Language::english) == english) return static_cast<int>(i);
  }
  FAIL("no emoji is called " << english);
  return -1;
}

const std::uint8_t* pixel(const EmojiSet& set, int item, Index y, Index x) {
  const Index side = set.pictures.extent(1);
  return set.pictures.data() + ((item * side + y) * side + x) * 3;
}

std::set<std::string> names_of(const std::vector<Emoji>& items, const std::vector<int>& chosen) {
  std::set<std::string> out;
  for (const int i : chosen) out.insert(items[static_cast<std::size_t>(i)].name(Language::english));
  return out;
}

Emoji made_up(const std::string& base, const std::string& tone) {
  Emoji e;
  e.base = base;
  e.tone = tone;
  e.names[0] = base + ": " + tone;
  return e;
}

}  // namespace

TEST_CASE("emoji: every one has a picture, names in three languages and a place", "[examples]") {
  const EmojiSet& set = emoji();
  CHECK(set.items.size() >= 3600);  // 3,624 in Debian 12
  CHECK(set.pictures.shape() == Shape{static_cast<Index>(set.items.size()), 32, 32, 3});
  for (const Emoji& e : set.items) {
    for (const std::string& name : e.names) REQUIRE(!name.empty());
    REQUIRE((!e.sequence.empty() && !e.code.empty() && !e.group.empty() && !e.subgroup.empty() && !e.base.empty()));
  }
  const Emoji& heart = set.items[static_cast<std::size_t>(find("red heart"))];
  CHECK(heart.sequence == "❤️");
  CHECK(heart.code == "2764 FE0F");
  CHECK(heart.name(Language::simplified) == "红心");
  CHECK(heart.keywords[0] == std::vector<std::string>{"heart"});
  const Emoji& runner = set.items[static_cast<std::size_t>(find("woman running: dark skin tone"))];
  CHECK(runner.base == "woman running");
  CHECK(runner.tone == "dark skin tone");
  CHECK(runner.group == "People & Body");
  const Emoji& hair = set.items[static_cast<std::size_t>(find("man: dark skin tone, red hair"))];
  CHECK(hair.base == "man: red hair");
  CHECK(hair.tone == "dark skin tone");
}

TEST_CASE("emoji: pictures show what the names say, on white", "[examples]") {
  const EmojiSet& set = emoji();
  const std::uint8_t* heart = pixel(set, find("red heart"), 16, 16);
  CHECK((heart[0] > 180 && heart[1] < 100 && heart[2] < 100));
  const std::uint8_t* green = pixel(set, find("green heart"), 16, 16);
  CHECK((green[1] > green[0] && green[1] > green[2]));
  const std::uint8_t* corner = pixel(set, find("red heart"), 0, 0);
  CHECK((corner[0] == 255 && corner[1] == 255 && corner[2] == 255));

  // 32 x 32 is the average of 64 x 64 over squares of four, up to rounding at both sizes.
  const EmojiSet large = read_emoji({.side = 64});
  REQUIRE(large.items.size() == set.items.size());
  const int last = static_cast<int>(set.items.size()) - 1;
  for (const int item : {0, find("rainbow"), last}) {
    for (Index y = 0; y < 32; ++y) {
      for (Index x = 0; x < 32; ++x) {
        for (int c = 0; c < 3; ++c) {
          const int four = pixel(large, item, 2 * y, 2 * x)[c] + pixel(large, item, 2 * y, 2 * x + 1)[c] +
                           pixel(large, item, 2 * y + 1, 2 * x)[c] + pixel(large, item, 2 * y + 1, 2 * x + 1)[c];
          REQUIRE(std::abs(four - 4 * pixel(set, item, y, x)[c]) <= 4);
        }
      }
    }
  }
}

TEST_CASE("emoji: flags and keys can be left out; any side from 1 to 128 works", "[examples]") {
  const EmojiSet fewer = read_emoji({.side = 1, .flags = false, .keycaps = false});
  CHECK(emoji().items.size() - fewer.items.size() == 261 + 13);
  CHECK(read_emoji({.side = 31, .flags = false}).pictures.extent(2) == 31);
  CHECK_THROWS_AS(read_emoji({.side = 0}), argument_error);
  CHECK_THROWS_AS(read_emoji({.side = 129}), argument_error);
}

TEST_CASE("emoji: a missing file names the package to install", "[examples]") {
  EmojiOptions options;
  options.side = 1;
  options.font = "/nowhere/font.ttf";
  CHECK_THROWS_WITH(read_emoji(options),
                    "emoji: cannot read /nowhere/font.ttf; to install it: apt-get install fonts-noto-color-emoji");
  options = {.list = "/nowhere/list"};
  CHECK_THROWS_WITH(read_emoji(options),
                    "emoji: cannot read /nowhere/list; to install it: apt-get install unicode-data");
  options = {.names = "/nowhere"};
  CHECK_THROWS_WITH(read_emoji(options),
                    "emoji: cannot read /nowhere/annotations/en.xml; to install it: apt-get install unicode-cldr-core");
  options = {.font = options.list.empty() ? "" : EmojiOptions{}.list};  // a file, but not a font
  CHECK_THROWS_AS(read_emoji(options), io_error);
}

TEST_CASE("emoji: what is held out is new only as a combination", "[examples]") {
  const std::vector<Emoji>& items = emoji().items;
  const Split split = split_emoji(items);
  CHECK(split.train.size() + split.held_out.size() == items.size());
  CHECK(split.held_out.size() >= 60);
  CHECK(split.held_out.size() <= 130);
  std::map<std::string, int> tones_of_base, bases_of_tone;
  for (const int i : split.train) {
    ++tones_of_base[items[static_cast<std::size_t>(i)].base];
    ++bases_of_tone[items[static_cast<std::size_t>(i)].tone];
  }
  for (const int i : split.held_out) {
    const Emoji& e = items[static_cast<std::size_t>(i)];
    INFO(e.name(Language::english));
    CHECK(!e.tone.empty());
    CHECK(tones_of_base[e.base] >= 4);
    CHECK(bases_of_tone[e.tone] >= 2);
  }
}

TEST_CASE("emoji: the split follows from the names alone", "[examples]") {
  const std::vector<Emoji>& items = emoji().items;
  const std::set<std::string> held = names_of(items, split_emoji(items).held_out);
  const std::vector<Emoji> backwards(items.rbegin(), items.rend());
  CHECK(names_of(backwards, split_emoji(backwards).held_out) == held);
  const std::vector<Emoji> people = read_emoji({.side = 1, .flags = false, .keycaps = false}).items;
  CHECK(names_of(people, split_emoji(people).held_out) == held);

  // Pinned: published figures refer to this split.
  std::vector<Emoji> some;
  for (const char* base : {"waving hand", "woman running", "ear", "nose", "mage", "baby"}) {
    for (const char* tone : {"light", "medium-light", "medium", "medium-dark", "dark"}) {
      some.push_back(made_up(base, std::string(tone) + " skin tone"));
    }
  }
  CHECK(names_of(some, split_emoji(some).held_out) ==
        std::set<std::string>{"nose: dark skin tone", "waving hand: medium-light skin tone"});
}

TEST_CASE("captions: what means the same is written the same", "[examples]") {
  CHECK(normalise("  A Red\t HEART. ") == "a red heart");
  CHECK(normalise("man’s shoe, “here”") == "man's shoe, \"here\"");
  CHECK(normalise("旗：　法国。") == "旗: 法国");
  CHECK(normalise("ＯＫ　手") == "ok 手");
  CHECK(normalise("a\n\x01\x7F"
                  "b") == "a b");
  CHECK(normalise("É \xFF\xEF\xBC") == "É \xFF\xEF\xBC");
  CHECK(normalise("") == "");
  CHECK(normalise(" . 。") == "");
  const Captions captions(emoji().items);
  for (int i = 0; i < static_cast<int>(emoji().items.size()); ++i) {
    const std::string name = captions.canonical(i, Language::english);
    REQUIRE(normalise(name) == name);
  }
}

TEST_CASE("captions: names are unique within a language", "[examples]") {
  const Captions captions(emoji().items);
  for (const Language language : {Language::english, Language::simplified, Language::traditional}) {
    std::set<std::string> names;
    for (int i = 0; i < static_cast<int>(emoji().items.size()); ++i) names.insert(captions.canonical(i, language));
    CHECK(names.size() == emoji().items.size());
  }
}

TEST_CASE("captions: most draws are the name, the rest are ways to say it", "[examples]") {
  const Captions captions(emoji().items);
  const int item = find("woman running: dark skin tone");
  std::map<std::string, int> drawn;
  int plain = 0;
  const int draws = 6000;
  for (std::uint64_t r = 0; r < draws; ++r) {
    const std::string caption = captions.draw(item, r);
    REQUIRE(caption == captions.draw(item, r));
    ++drawn[caption];
    for (const Language language : {Language::english, Language::simplified, Language::traditional}) {
      plain += caption == captions.canonical(item, language);
    }
  }
  CHECK(plain > 0.68 * draws);
  CHECK(plain < 0.80 * draws);
  for (const char* expected : {"woman running: dark skin tone", "a woman running: dark skin tone",
                               "the woman running with dark skin tone", "woman running: dark skin tone emoji",
                               "女跑者: 黑皮膚", "黑皮膚的女跑者", "一個女跑者: 黑皮膚", "较深肤色的女生跑步"}) {
    INFO(expected);
    CHECK(drawn.contains(expected));
  }
  const auto says = [&](const char* english, const char* expected, Language language) {
    for (std::uint64_t r = 0; r < 500; ++r) {
      if (captions.draw(find(english), language, r) == expected) return true;
    }
    return false;
  };
  CHECK(says("red heart", "a red heart", Language::english));
  CHECK(says("red apple", "a red apple", Language::english));
  CHECK(says("eagle", "an eagle", Language::english));
  CHECK(says("dog", "一隻狗", Language::traditional));
  CHECK(says("dog", "一只狗", Language::simplified));
  CHECK(says("flag: France", "法国国旗", Language::simplified));
  CHECK(says("flag: France", "flag of france", Language::english));
  CHECK_FALSE(says("grapes", "a grapes", Language::english));
}

TEST_CASE("captions: a vocabulary of 2,048 learned from them keeps every name short", "[examples]") {
  const Captions captions(emoji().items);
  const Tokenizer tokenizer = learn_tokens(captions.corpus(), 2048);
  CHECK(tokenizer.size() == 2048);
  for (int i = 0; i < static_cast<int>(emoji().items.size()); ++i) {
    for (const Language language : {Language::english, Language::simplified, Language::traditional}) {
      const std::string name = captions.canonical(i, language);
      REQUIRE(tokenizer.decode(tokenizer.encode(name)) == name);
      REQUIRE(tokenizer.encode(" " + name).size() <= 24);
    }
  }
}

TEST_CASE("contact sheet: pictures lie on a grid, enlarged without blur", "[examples]") {
  Tensor<std::uint8_t> pictures(Shape{5, 2, 3, 3});
  for (Index i = 0; i < pictures.size(); ++i) pictures.data()[i] = static_cast<std::uint8_t>(i);
  const Tensor<std::uint8_t> sheet = contact_sheet(pictures, {}, {.upscale = 2, .padding = 1});
  REQUIRE(sheet.shape() == Shape{2 * (4 + 2), 3 * (6 + 2), 3});
  const auto at = [&](Index y, Index x) { return sheet.data() + (y * sheet.extent(1) + x) * 3; };
  CHECK(at(0, 0)[0] == 255);
  CHECK(at(1, 1)[0] == 0);
  CHECK(at(2, 2)[1] == 1);
  CHECK(at(1, 3)[0] == 3);
  CHECK(at(6 + 1, 8 + 1)[0] == 4 * 18);
  CHECK(at(6 + 4, 8 + 6)[2] == 4 * 18 + 17);
  CHECK(at(6 + 1, 16 + 1)[0] == 255);  // a sixth there is not
  CHECK(contact_sheet(pictures, {}, {.columns = 9, .padding = 0}).shape() == Shape{2, 15, 3});
  CHECK(contact_sheet(pictures, {}, {.columns = 2, .padding = 0}).shape() == Shape{6, 6, 3});
}

TEST_CASE("contact sheet: captions are written below, whatever they hold", "[examples]") {
  const Tensor<std::uint8_t> pictures(Shape{3, 32, 32, 3}, std::uint8_t{255});
  const std::vector<std::string> captions{"a dog 一隻狗", "\xFF\xC3\n",
                                          "one word that goes onandonandonandonandonandon"};
  const Tensor<std::uint8_t> sheet = contact_sheet(pictures, captions, {.columns = 3, .upscale = 2});
  const bool font = sheet.extent(0) > 64 + 2 * 8;
  int dark = 0;
  for (const std::uint8_t value : sheet.span()) dark += value < 128;
  CHECK((dark > 100) == font);
}

TEST_CASE("contact sheet: what makes no sense is refused", "[examples]") {
  const Tensor<std::uint8_t> pictures(Shape{2, 4, 4, 3}, std::uint8_t{0});
  const std::vector<std::string> one{"a"};
  CHECK_THROWS_AS(contact_sheet(pictures.reshaped(Shape{2, 4, 12}), {}), shape_error);
  CHECK_THROWS_AS(contact_sheet(pictures, one), argument_error);
  CHECK_THROWS_AS(contact_sheet(pictures, {}, {.upscale = 0}), argument_error);
  CHECK_THROWS_AS(contact_sheet(Tensor<std::uint8_t>(Shape{0, 4, 4, 3}), {}), argument_error);
}
