// The reader of the pronouncing dictionary, the scores of answers, and files of pronouncing models.
#include <set>

#include <tessera/nn/save.hpp>

#include "examples/support/pronounce_model.hpp"
#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"

using Catch::Matchers::Contains;
using namespace tessera;
using namespace tessera::examples;

namespace {

PronouncingDictionary read_text(const std::string& text) {
  const test::Scratch folder;
  const std::string path = folder / "words.dict";
  write_file(path, as_bytes(text));
  return read_pronunciations(path);
}

}  // namespace

TEST_CASE("a word's pronunciations come together, on one side of the split", "[examples]") {
  const std::string text =
      "read R IY D\nread(2) R EH D\r\nread(3) R IY D\n\n3d TH R IY D IY\no'clock  AH K L AA K\na.(2) EY\n";
  const PronouncingDictionary d = read_text(text), again = read_text(text);
  REQUIRE(d.train.size() + d.held_out.size() == 3);
  CHECK(d.passed_over == 1);
  bool found = false;
  for (const auto* side : {&d.train, &d.held_out}) {
    for (const PronouncedWord& w : *side) {
      if (w.word != "read") continue;
      found = true;
      REQUIRE(w.said.size() == 2);  // the third is the first again
      CHECK(to_phonemes(w.said[0]) == "R IY D");
      CHECK(to_phonemes(w.said[1]) == "R EH D");
      CHECK(w.letters == spelling_of("READ"));
    }
  }
  CHECK(found);
  CHECK(d.train.size() == again.train.size());
}

TEST_CASE("a broken dictionary is an error that names the line", "[examples]") {
  CHECK_THROWS_WITH(read_pronunciations("/nowhere/words.dict"), Contains("apt-get install pocketsphinx-en-us"));
  CHECK_THROWS_WITH(read_text("read R IY D\nlonely\n"), Contains("line 2") && Contains("lonely"));
  CHECK_THROWS_WITH(read_text("read R IY0 D\n"), Contains("line 1") && Contains("IY0"));
  CHECK_THROWS_AS(read_text(""), io_error);
  CHECK_THROWS_AS(read_text(std::string("\0\1\2\n", 4)), io_error);
}

TEST_CASE("Debian's dictionary is read whole, and a tenth of its words is held out", "[examples]") {
  if (!pronunciations_installed()) {
    WARN("passed over: pocketsphinx-en-us is not installed");
    return;
  }
  const PronouncingDictionary d = read_pronunciations();
  const std::size_t all = d.train.size() + d.held_out.size();
  CHECK(all > 100000);
  CHECK(d.held_out.size() > all * 9 / 100);
  CHECK(d.held_out.size() < all * 11 / 100);
  std::set<std::string_view> words;
  for (const PronouncedWord& w : d.train) words.insert(w.word);
  for (const PronouncedWord& w : d.held_out) REQUIRE(words.insert(w.word).second);
}

TEST_CASE("answers are scored against the nearest listed pronunciation", "[examples]") {
  using U = SpokenUnits;
  CHECK(edit_distance(U{1, 2, 3}, U{1, 2, 3}) == 0);
  CHECK(edit_distance(U{1, 2, 3}, U{}) == 3);
  CHECK(edit_distance(U{1, 2, 3, 4}, U{2, 3, 5}) == 2);
  CHECK(edit_distance(U{5, 1, 2}, U{1, 2}) == 1);
  const PronouncedWord word{"x", {24}, {{1, 2, 3, 4}, {1, 5}}};
  PronunciationScore score;
  score.add(word, U{1, 5});           // right: 0 of 2
  score.add(word, U{1, 2, 3, 4, 4});  // 1 of 4
  score.add(word, U{1, 6, 5});        // 1 of 2
  CHECK(score.words() == 3);
  CHECK(score.phoneme_error() == Approx(2.0 / 8));
  CHECK(score.word_error() == Approx(2.0 / 3));
}

TEST_CASE("letters that are none are named", "[examples]") {
  CHECK(spelling_of("A-z'.").size() == 5);
  CHECK_THROWS_WITH(spelling_of("caf\xC3\xA9"), Contains("caf"));
  CHECK_THROWS_AS(spelling_of("a b"), argument_error);
  CHECK_THROWS_AS(spelling_of("\xFF"), argument_error);
}

TEST_CASE("a pronouncing model comes back from its file, and answers the same", "[examples]") {
  Rng rng(3);
  const auto that_ends = [](auto net) {  // so that a search has an end
    net->head.bias->value.data()[0] = 2;
    return net;
  };
  std::vector<Pronouncer> models;
  models.emplace_back(that_ends(std::make_shared<Seq2Seq<float>>(
      Seq2SeqConfig{.source_units = letter_units, .target_units = phoneme_units, .width = 16, .layers = 1}, rng)));
  models.emplace_back(that_ends(std::make_shared<RecurrentSeq2Seq<float>>(
      RecurrentSeq2SeqConfig{.source_units = letter_units, .target_units = phoneme_units, .width = 16, .hidden = 16},
      rng)));
  for (const OneShotKind kind : {OneShotKind::length, OneShotKind::fixed, OneShotKind::ctc})
    models.emplace_back(std::make_shared<const OneShotText<float>>(
        OneShotTextConfig{
            .kind = kind, .source_units = letter_units, .target_units = phoneme_units, .width = 16, .layers = 1},
        rng));
  const std::vector<SpokenUnits> words = {spelling_of("tessera"), spelling_of("o'clock")};
  for (std::size_t i = 0; i < models.size(); ++i) {
    INFO(pronounce_model_names[i]);
    const Pronouncer& m = models[i];
    CHECK(m.model() == pronounce_model_named(pronounce_model_names[i]));
    const Safetensors file = m.to_file(DType::f32);
    const Pronouncer again = Pronouncer::from_file(file);
    CHECK(again.model() == m.model());
    const auto a = m(words), b = again(words);
    for (std::size_t k = 0; k < 2; ++k) CHECK(a.each[k][0].phonemes == b.each[k][0].phonemes);
    for (const char* field : {"format", "model", "config.width", "config.source_units"}) {
      Safetensors broken = file;
      broken.metadata[field] = "7";
      CHECK_THROWS_AS(Pronouncer::from_file(broken), io_error);
      broken.metadata.erase(field);
      CHECK_THROWS_WITH(Pronouncer::from_file(broken), Contains(field));
    }
    if (i < 2) {
      // What a search says of its answer is what the judge says of it.
      const PronounceAnswer best = m(words, {.beam = 3}).each[0][0];
      if (best.phonemes.size() > 31) continue;  // it went on to the greatest length
      const auto judged = m.log_probabilities({words.data(), 1}, std::vector<SpokenUnits>{best.phonemes});
      CHECK(judged[0] == Approx(best.log_probability).margin(1e-3));
    } else {
      CHECK_THROWS_AS(m.log_probabilities(words, words), argument_error);
    }
  }
  CHECK_THROWS_WITH(pronounce_model_named("gpt"), Contains("transformer, recurrent"));
}
