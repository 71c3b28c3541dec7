// Byte-pair encoding with published vocabularies ($TESSERA_VOCABULARIES, as in tests/unit/vocabularies.hpp; passed over
// where there are none) of English (the file $TESSERA_TEXT, else this checkout's README, over and over), and of text
// without a space at three lengths, which shows whether time is linear: bytes a second must not fall.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include <tessera/io/file.hpp>
#include <tessera/unit/bpe_files.hpp>
#include <tessera/unit/bpe_learn.hpp>
#include <tessera/unit/tokenizer_json.hpp>

using namespace tessera;

namespace {

std::string setting(const char* name, const std::string& otherwise) {
  const char* given = std::getenv(name);
  return given != nullptr ? given : otherwise;
}

std::string vocabulary(const std::string& file) {
  return setting("TESSERA_VOCABULARIES", setting("HOME", "") + "/.cache/tessera/vocabularies") + "/" + file;
}

std::string english() {
  constexpr std::size_t enough = 1'000'000;
  const Bytes bytes = read_file(setting("TESSERA_TEXT", TESSERA_README));
  std::string text;
  while (!bytes.empty() && text.size() < enough) text += as_text(bytes);
  return text;
}

template <class Body>
void guarded(benchmark::State& state, Body&& body) {
  try {
    body();
  } catch (const error& e) { state.SkipWithError(e.what()); }
}

void encode(benchmark::State& state, const Bpe& bpe, const std::string& text) {
  std::vector<Token> tokens;
  for (auto _ : state) {
    tokens.clear();
    bpe.encode(text, tokens);
    benchmark::DoNotOptimize(tokens.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
  state.counters["bytes_per_token"] = static_cast<double>(text.size()) / static_cast<double>(tokens.size());
}

Bpe cl100k() { return read_tiktoken(vocabulary("cl100k_base.tiktoken"), Published::cl100k); }

void english_cl100k(benchmark::State& state) {
  guarded(state, [&] { encode(state, cl100k(), english()); });
}
void english_o200k(benchmark::State& state) {
  guarded(state, [&] { encode(state, read_tiktoken(vocabulary("o200k_base.tiktoken"), Published::o200k), english()); });
}
void english_gpt2(benchmark::State& state) {
  guarded(state, [&] { encode(state, read_gpt2(vocabulary("encoder.json"), vocabulary("vocab.bpe")), english()); });
}
void english_llama2(benchmark::State& state) {
  guarded(state, [&] { encode(state, read_tokenizer_json(vocabulary("llama2.tokenizer.json")), english()); });
}

/// The letters of the text, over and over.
void no_space_cl100k(benchmark::State& state) {
  guarded(state, [&] {
    const std::string text = english();
    std::string letters;
    while (letters.size() < static_cast<std::size_t>(state.range(0))) {
      for (const char c : text) {
        if ((unit_detail::byte_kinds[static_cast<unsigned char>(c)] & kind::letter) != 0) letters += c;
      }
    }
    letters.resize(static_cast<std::size_t>(state.range(0)));
    encode(state, cl100k(), letters);
  });
}

void one_letter_cl100k(benchmark::State& state) {
  guarded(state, [&] { encode(state, cl100k(), std::string(static_cast<std::size_t>(state.range(0)), 'a')); });
}

void decode_cl100k(benchmark::State& state) {
  guarded(state, [&] {
    const Bpe bpe = cl100k();
    const std::string text = english();
    const std::vector<Token> tokens = bpe.encode(text);
    for (auto _ : state) benchmark::DoNotOptimize(bpe.decode(tokens));
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
  });
}

void read_cl100k(benchmark::State& state) {
  guarded(state, [&] {
    for (auto _ : state) benchmark::DoNotOptimize(cl100k());
  });
}

void learn_8192(benchmark::State& state) {
  guarded(state, [&] {
    const std::vector<std::string> texts{english()};
    for (auto _ : state) benchmark::DoNotOptimize(learn_bpe(texts, {.vocabulary = 8192}));
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(texts[0].size()));
  });
}

}  // namespace

BENCHMARK(learn_8192)->Unit(benchmark::kMillisecond);

namespace {

/// Those of a vocabulary, where its file is.
const bool registered = [] {
  const auto add = [](const char* file, const char* name, auto* body, bool lengths = false) {
    if (std::FILE* found = std::fopen(vocabulary(file).c_str(), "rb"))
      std::fclose(found);
    else
      return;
    benchmark::internal::Benchmark* b = benchmark::RegisterBenchmark(name, body)->Unit(benchmark::kMillisecond);
    if (lengths) b->Arg(100'000)->Arg(1'000'000)->Arg(10'000'000);
  };
  add("cl100k_base.tiktoken", "english_cl100k", english_cl100k);
  add("o200k_base.tiktoken", "english_o200k", english_o200k);
  add("vocab.bpe", "english_gpt2", english_gpt2);
  add("llama2.tokenizer.json", "english_llama2", english_llama2);
  add("cl100k_base.tiktoken", "no_space_cl100k", no_space_cl100k, true);
  add("cl100k_base.tiktoken", "one_letter_cl100k", one_letter_cl100k, true);
  add("cl100k_base.tiktoken", "decode_cl100k", decode_cl100k);
  add("cl100k_base.tiktoken", "read_cl100k", read_cl100k);
  return true;
}();

}  // namespace
