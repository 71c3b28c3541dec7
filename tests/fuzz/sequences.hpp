// What the fuzz targets of grammars and of stored runs, and the replay of their corpora (tests/generate/file_corpus.cpp), do
// with bytes. Each returns whether they were one; anything but the errors they promise passes on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <tessera/generate/grammar_rule.hpp>
#include <tessera/generate/sequence_file.hpp>

#include "tests/fuzz/use.hpp"
#include "tests/generate/markov.hpp"

namespace test {

/// A grammar, a NUL, and a text: what the mask allows is what can be read.
inline bool use_grammar(std::string_view bytes) {
  using namespace tessera;
  const auto [rules, text] = cut(bytes);
  try {
    const auto grammar = std::make_shared<const Grammar>(Grammar::parse(rules, "fuzz.gbnf"));
    static const auto each_byte = [] {
      std::vector<std::string> texts;
      for (int b = 0; b < 256; ++b) texts.emplace_back(1, static_cast<char>(static_cast<unsigned char>(b)));
      return std::make_shared<const UnitTexts>(texts);
    }();
    try {
      GrammarRule rule(grammar, each_byte);
      GrammarMatcher matcher(grammar);
      std::vector<float> logits(256);
      for (const char c : text.substr(0, 64)) {
        std::fill(logits.begin(), logits.end(), 0.f);
        rule.mask(logits);
        const auto byte = static_cast<unsigned char>(c);
        const bool allowed = logits[byte] == 0;
        need(allowed == matcher.accept(byte));
        if (!allowed) break;
        rule.accept(byte);
        need(rule.may_end() == matcher.may_end());
      }
    } catch (const argument_error&) {}  // too many ways to read
    return true;
  } catch (const io_error&) { return false; }
}

/// A safetensors file of a run of a small chain; what is read can be stepped, and written again.
inline bool use_sequence(std::string_view bytes) {
  using namespace tessera;
  using Model = tessera::testing::Markov;
  bool is_one = false;
  for (const bool ruled : {false, true}) {
    static const auto grammar = std::make_shared<const Grammar>(Grammar::parse("root ::= [a-d]*"));
    static const auto texts = std::make_shared<const UnitTexts>(std::vector<std::string>{"a", "b", "c", "d", "e"});
    const Constraint constraint = ruled ? Constraint(std::make_unique<GrammarRule>(grammar, texts)) : Constraint();
    try {
      const auto data = as_bytes(bytes);
      const auto file = Safetensors::parse(Bytes(data.begin(), data.end()), "fuzz.safetensors");
      auto run = SequenceFile<Model>::restore(file, Model{}, {}, {}, constraint);
      try {
        for (int i = 0; i < 4; ++i) run.step();
      } catch (const error&) {}  // forced units that the grammar refuses, choices that leave none
      SequenceFile<Model>::store(run);
      is_one = true;
    } catch (const io_error&) {}
  }
  return is_one;
}

}  // namespace test
