// examples/train_char_gpt from outside, with a model that trains in an instant.
#ifdef TESSERA_TRAIN_CHAR_GPT_PROGRAM  // the examples are built

#include <tessera/autoregressive/gpt_file.hpp>

#include "tests/examples/workshop.hpp"

using namespace tessera;
using namespace test;

namespace {

struct School : Workshop {
  School()
      : Workshop{TESSERA_TRAIN_CHAR_GPT_PROGRAM,
                 "train_char_gpt",
                 {"--layers=1", "--heads=1", "--width=8", "--context=8", "--batch=2", "--warmup=0", "--threads=1"}} {
    std::string text;
    for (int i = 0; i < 40; ++i) text += "a red heart, 狗, and so on\n";
    put("text.txt", text);
  }
};

}  // namespace

TEST_CASE("train_char_gpt makes a model, and the same one after a pause", "[examples]") {
  const School s;
  const auto train = [&](const std::string& steps, const std::string& to) {
    const Ended ended =
        s.run({"text.txt", "--steps", steps, "--folder", to + "-run", "--output", to, "--save-every=2"});
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    REQUIRE(contains(ended.out, "nats a character"));
    return read_file(s.folder / to);
  };
  const Bytes whole = train("4", "a");
  const GptModel model = load_gpt(s.folder / "a");
  REQUIRE(model.net->config.width == 8);
  REQUIRE(static_cast<Index>(model.units.size()) == model.net->config.vocabulary);
  REQUIRE(train("4", "b") == whole);
  const int cleared = std::system(("rm -r " + s.folder.path() + "/a-run " + s.folder.path() + "/b-run").c_str());
  REQUIRE(cleared == 0);
}

TEST_CASE("train_char_gpt refuses bad flags", "[examples]") {
  const School s;
  const std::vector<std::string> text = {"text.txt"};
  s.refuses_values(text, "--steps", {"0", "-1", "1e9", "1.5", "", "abc"}, "steps");
  s.refuses_values(text, "--rate", {"nan", "-1", "2", "fast"}, "rate");
  s.refuses_values(text, "--dropout", {"1", "-0.1", "inf"}, "dropout");
  s.refuses_values(text, "--seed", {"-1", "x"}, "seed");
  s.refuses_values(text, "--batch", {"0", "100000"}, "batch");
  s.refuses({"text.txt", "--heads=3", "--width=8"}, failed_usage, "heads");
  s.refuses({}, failed_usage, "one text");
  s.refuses({"text.txt", "text.txt"}, failed_usage, "one text");
  s.refuses({"text.txt", "--no-such-option"}, failed_usage, "no-such-option");
}

TEST_CASE("train_char_gpt refuses texts that are none", "[examples]") {
  const School s;
  s.refuses({"missing.txt"}, failed_file, "missing.txt");
  s.refuses({"."}, failed_file, "directory");
  s.put("empty.txt", "");
  s.refuses({"empty.txt"}, failed_usage, "too short");
  s.put("short.txt", "a red heart");
  s.refuses({"short.txt"}, failed_usage, "too short");
  for (const char* bad : {"caf\xe9", "\xff\xfe", "\xed\xa0\x80"}) {
    s.put("bad.txt", std::string(100, 'x') + bad);
    s.refuses({"bad.txt"}, failed_file, "UTF-8");
  }
}

TEST_CASE("train_char_gpt refuses outputs it cannot write, before it trains", "[examples]") {
  const School s;
  const auto refuses = [&](const std::string& flag, const std::string& words) {
    s.put("run", "a file where the folder should be");
    const Ended ended = s.run({"text.txt", "--steps=1", flag});
    INFO(flag << " -> " << ended.code << " " << ended.err);
    CHECK(ended.code == failed_file);
    CHECK(contains(ended.err, words));
    CHECK_FALSE(s.has("char_gpt.safetensors"));
  };
  refuses("--output=no/such/model", "no/such/model");
  refuses("--output=.", "is a folder");
  refuses("--curve=no/curve.png", "curve.png");
  refuses("--folder=run", "run");
}

#endif
