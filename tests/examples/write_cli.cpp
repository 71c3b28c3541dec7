// examples/write from outside: what it writes, and what it says and returns when something is wrong. The models are tiny ones of
// random weights, made here.
#ifdef TESSERA_WRITE_PROGRAM  // the examples are built

#include <chrono>
#include <thread>

#include <tessera/autoregressive/gpt_file.hpp>
#include <tessera/io/json.hpp>
#include <tessera/unit/characters.hpp>

#include "tests/examples/workshop.hpp"
#include "tests/io/gguf_bytes.hpp"
#include "tests/support/nudge.hpp"

using namespace tessera;
using namespace test;

namespace {

GptConfig tiny_config(Index vocabulary) {
  return {.vocabulary = vocabulary, .context = 32, .layers = 1, .heads = 2, .width = 32, .hidden = 64};
}

Safetensors tiny_model() {
  const Characters characters("\n abcdefghijklmnopqrstuvwxyz狗");
  Rng rng(3);
  GptModel model{std::make_shared<Gpt<float>>(tiny_config(characters.size()), rng), {}, {}};
  testing::nudge(*model.net, 0.1, rng);
  for (Token t = 0; t < characters.size(); ++t) model.units.push_back(characters.bytes(t));
  return to_file(model);
}

/// GPT-2's shape over bytes, with its vocabulary in it.
Bytes tiny_gguf() {
  GgufBytes f;
  f.text("general.architecture", "gpt2");
  for (const auto& [key, value] : {std::pair{"context_length", 32u},
                                   {"embedding_length", 32u},
                                   {"block_count", 1u},
                                   {"feed_forward_length", 64u},
                                   {"attention.head_count", 2u}})
    f.number(std::string("gpt2.") + key, GgufKind::u32, value);
  f.text("tokenizer.ggml.model", "gpt2");
  std::vector<std::string> tokens;
  for (std::uint32_t b = 0, next = 0x100; b < 256; ++b) {  // GPT-2's alphabet of bytes
    const bool itself = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    tokens.emplace_back();
    append_utf8(tokens.back(), itself ? b : next++);
  }
  tokens.push_back("<|endoftext|>");
  std::vector<std::int32_t> types(256, 1);
  types.push_back(3);
  f.texts("tokenizer.ggml.tokens", tokens);
  f.numbers("tokenizer.ggml.token_type", GgufKind::i32, types);
  f.texts("tokenizer.ggml.merges", {});
  f.number("tokenizer.ggml.eos_token_id", GgufKind::u32, 256u);
  std::uint64_t seed = 0;
  const auto put = [&](const std::string& name, std::vector<std::uint64_t> extents) {
    Index size = 1;
    for (const std::uint64_t e : extents) size *= static_cast<Index>(e);
    Bytes bytes;
    const Tensor<float> numbers = Noise{++seed}.normal<float>({size});
    for (const float x : numbers.span()) append_little(bytes, 0.3f * x);
    f.tensor(name, extents, GgufType::f32, bytes);
  };
  const auto layer = [&](const std::string& name, std::uint64_t out, std::uint64_t in) {
    put(name + ".weight", {in, out});
    put(name + ".bias", {out});
  };
  const auto norm = [&](const std::string& name) {
    put(name + ".weight", {32});
    put(name + ".bias", {32});
  };
  put("token_embd.weight", {32, 257});
  put("position_embd.weight", {32, 32});
  norm("blk.0.attn_norm");
  layer("blk.0.attn_qkv", 96, 32);
  layer("blk.0.attn_output", 32, 32);
  norm("blk.0.ffn_norm");
  layer("blk.0.ffn_up", 64, 32);
  layer("blk.0.ffn_down", 32, 64);
  norm("output_norm");
  return f.bytes();
}

struct Desk : Workshop {
  Desk() : Workshop{TESSERA_WRITE_PROGRAM, "write", {"--weights=m.safetensors", "-n", "20"}} {
    tiny_model().write(folder / "m.safetensors");
  }
};

}  // namespace

TEST_CASE("write goes on from a beginning, the same way for the same seed", "[examples]") {
  const Desk d;
  const Ended ended = d.run({"the dog ", "--seed", "7"});
  REQUIRE(ended.code == 0);
  REQUIRE(ended.err.empty());
  REQUIRE(ended.out.starts_with("the dog "));
  REQUIRE(Characters(ended.out).encode(ended.out).size() == 8 + 20 + 1);
  REQUIRE(d.run({"the dog ", "-s7", "-t1"}).out == ended.out);
  REQUIRE(d.run({"the dog ", "-s8"}).out != ended.out);
  d.put("beginning.txt", "the dog ");
  REQUIRE(d.run({"--file=beginning.txt", "-s7"}).out == ended.out);
  REQUIRE(d.run({"-f", "-", "-s7"}, d.folder / "beginning.txt").out == ended.out);
  SECTION("stopped and gone on with") {
    REQUIRE(d.run({"the dog ", "-s7", "-n9", "--save=run.safetensors"}).code == 0);
    REQUIRE(d.has("run.safetensors"));
  }
  SECTION("to a file, and as JSON") {
    const Ended filed = d.run({"the dog ", "-s7", "-o", "dog.txt"});
    REQUIRE(filed.code == 0);
    CHECK(filed.out.empty());
    CHECK(as_text(read_file(d.folder / "dog.txt")) == ended.out);
    const Ended two = d.run({"the dog ", "-s7", "-c2", "-odog-%02d.txt", "--json"});
    REQUIRE(two.code == 0);
    CHECK(two.err.empty());
    CHECK(read_file(d.folder / "dog-00.txt") == read_file(d.folder / "dog.txt"));
    const std::size_t end = two.out.find('\n');
    const Json first = Json::parse(two.out.substr(0, end), "output"),
               second = Json::parse(two.out.substr(end + 1), "output");
    CHECK(first.get<std::string>("text") + '\n' == ended.out);
    CHECK(first.get<Index>("units") == 20);
    CHECK(second.get<Index>("seed") == 8);
    CHECK(second.get<std::string>("file") == "dog-01.txt");
    CHECK(second.get<std::string>("text") + '\n' == d.run({"the dog ", "-s8"}).out);
  }
  SECTION("with every store and cache") {
    for (const char* store : {"f16", "q8", "q4"}) REQUIRE(d.run({"the", "--store", store}).code == 0);
    for (const char* cache : {"f16", "i8"}) REQUIRE(d.run({"the", "--cache", cache}).code == 0);
  }
  SECTION("help") {
    const Ended help = d.run({"--help"});
    REQUIRE(help.code == 0);
    for (const char* option : {"--model", "--file", "--temperature", "--grammar", "--store", "--draft"})
      REQUIRE(contains(help.out, option));
  }
}

TEST_CASE("write takes a GGUF file with everything in it", "[examples]") {
  const Desk d;
  write_file(d.folder / "m.gguf", tiny_gguf());
  const Ended ended = d.run({"hello 狗", "--model=m.gguf", "-s3"});
  INFO(ended.err);
  REQUIRE(ended.code == 0);
  REQUIRE(ended.out.starts_with("hello 狗"));
  REQUIRE(d.run({"hello 狗", "-m", "m.gguf", "-s3", "--store=f32"}).out == ended.out);
  REQUIRE(d.run({"", "-m", "m.gguf", "--store=q4"}).code == 0);
  Bytes whole = tiny_gguf();
  for (const std::size_t size : {std::size_t{0}, std::size_t{4}, std::size_t{24}, whole.size() / 2, whole.size() - 1}) {
    write_file(d.folder / "cut.gguf", Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
    d.refuses({"x", "--model=cut.gguf"}, failed_file, "cut.gguf");
  }
}

TEST_CASE("write refuses bad flags", "[examples]") {
  const Desk d;
  const std::vector<std::string> a = {"a"};
  d.refuses_values(a, "--length", {"-1", "1e9", "99999999999999999999", "1.5", "", "abc"}, "length");
  d.refuses_values(a, "--seed", {"abc", "-1", "18446744073709551616"}, "seed");
  d.refuses_values(a, "--temperature", {"nan", "inf", "-0.1", "1e300", "hot"}, "temperature");
  d.refuses_values(a, "--top-p", {"1.1", "-1", "x"}, "top-p");
  d.refuses_values(a, "--store", {"f8", "Q4"}, "f32, f16, q8, q4");
  d.refuses_values(a, "--cache", {"q8"}, "f32, f16, i8");
  d.refuses_values(a, "--bias", {"a", "a=", "=1", "a=x"}, "TEXT=NUMBER");
  d.refuses({"a", "--no-such-option"}, failed_usage, "no-such-option");
  d.refuses({"a", "--\x1b[2Jbad"}, failed_usage, "x1b");
  d.refuses({"a", "b"}, failed_usage, "one beginning");
  d.refuses({"a", "--file=m.safetensors"}, failed_usage, "one beginning");
  d.refuses({"a", "--guidance=2"}, failed_usage, "--negative");
  d.refuses({"a", "--beam=2", "--count=3"}, failed_usage, "--beam");
  d.refuses({"a", "--save=s", "--count=2"}, failed_usage, "--save");
  d.refuses({"a", "--output=-"}, failed_usage, "--output -");
  d.refuses({"a", "--count=2", "--output=a.txt"}, failed_usage, "2 texts");
  d.refuses({"a", "--output=%s.txt"}, failed_usage, "%d");
  d.refuses({"a", "--output=no/such/a.txt"}, failed_file, "a.txt");
  d.refuses({"a", "--stop=ab"}, failed_usage, "one unit");
}

TEST_CASE("write refuses beginnings that are none, and takes long ones", "[examples]") {
  const Desk d;
  for (const char* bad : {"\xff\xfe", "caf\xe9", "\xed\xa0\x80", "\xc0\x80"}) d.refuses({bad}, failed_usage, "UTF-8");
  d.refuses({"a", "--guidance=2", "--negative=\xff"}, failed_usage, "UTF-8");
  d.refuses({"ABC"}, failed_usage, "alphabet");
  d.refuses({"--file=missing.txt"}, failed_file, "missing.txt");
  d.refuses({"--file=."}, failed_file, "directory");
  const Ended empty = d.run({""});
  REQUIRE(empty.code == 0);
  REQUIRE(!empty.out.empty());

  const std::string huge(10 << 20, 'a');  // 10 MB: more than a command line takes
  d.put("huge.txt", huge);
  const Ended ended = d.run({"--file=huge.txt"});
  REQUIRE(ended.code == 0);
  REQUIRE(contains(ended.err, "reads the last 32"));
  REQUIRE(ended.out.size() > huge.size());
  d.put("huge.txt", huge + "\xff");
  d.refuses({"--file=huge.txt"}, failed_usage, "byte 10485760");
}

TEST_CASE("write refuses models that are missing, broken or another kind's", "[examples]") {
  const Desk d;
  d.refuses_broken("m.safetensors", {"a"}, "--weights", ".safetensors");
  Safetensors other;
  other.put("weight", Tensor<float>(Shape{2, 3}, 0.5f));
  other.metadata["format"] = "another";
  other.write(d.folder / "other.safetensors");
  d.refuses({"a", "-w", "other.safetensors"}, failed_file, "tessera.gpt.1");
  Safetensors vast = tiny_model();
  std::string& config = vast.metadata.at("config");
  const std::size_t at = config.find("\"width\": 32");
  REQUIRE(at != std::string::npos);
  config.replace(at, 11, "\"width\": 65536");
  vast.write(d.folder / "vast.safetensors");
  d.refuses({"a", "-w", "vast.safetensors"}, failed_file, "embedding.weight");
  Safetensors few = tiny_model();
  few.metadata["units"] = R"(["a", "b"])";
  few.write(d.folder / "few.safetensors");
  d.refuses({"a", "-w", "few.safetensors"}, failed_file, "units");
  d.refuses({"a", "--draft=missing.safetensors"}, failed_file, "missing.safetensors");
  d.put("bad.gbnf", "root ::= (((");
  d.refuses({"a", "--grammar=bad.gbnf"}, failed_file, "bad.gbnf");
  d.refuses({"a", "--resume=m.safetensors"}, failed_file, "m.safetensors");
}

TEST_CASE("write says when it cannot write", "[examples]") {
  const Desk d;
  d.refuses({"a", "--save=no/such/run"}, failed_file, "no/such/run");
  d.refuses({"a", "--save=."}, failed_file, "is a folder");
  const Ended full = d.run({"a"}, "/dev/null", "/dev/full");
  CHECK(full.code == failed_file);
  CHECK(contains(full.err, "No space left on device"));
}

TEST_CASE("Ctrl-C ends the writing and keeps the run", "[examples]") {
  const Desk d;
  Program program = d.start({"a", "-n", "10000000", "--save=run.safetensors"}, "/dev/null", "/dev/null");
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  program.signal(SIGINT);
  const Ended ended = program.end();
  REQUIRE(ended.code == interrupted);
  REQUIRE(d.has("run.safetensors"));
}

#endif
