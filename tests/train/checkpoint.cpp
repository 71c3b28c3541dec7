// Folders of checkpoints: what is kept, what is found, and what broken files do.
#include <tessera/train/checkpoint.hpp>

#include <fstream>

#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using Catch::Matchers::Contains;

namespace {

Safetensors file_with(float value) {
  Safetensors f;
  f.metadata["note"] = "hello";
  f.put("x", Tensor<float>(Shape{5}, value));
  f.put("n", Tensor<std::int64_t>::scalar(7));
  return f;
}

void overwrite(const std::string& path, const Bytes& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

TEST_CASE("the newest checkpoints are kept, older ones go", "[train]") {
  const test::Scratch scratch;
  const CheckpointFolder folder(scratch.path() + "/", 2);
  CHECK(folder.steps().empty());
  CHECK_FALSE(folder.newest().newest.has_value());
  CHECK(folder.newest().broken.empty());
  for (const Index step : {10, 20, 300000000, 5}) {
    const std::string path = folder.write(step, file_with(static_cast<float>(step)));
    CHECK(path == folder.path(step));
  }
  // 5 was written last, but an older file is older by its step
  CHECK(folder.steps() == std::vector<Index>{5, 20, 300000000});
  const auto found = folder.newest();
  REQUIRE(found.newest.has_value());
  CHECK(found.newest->step == 300000000);
  CHECK(found.newest->file.get<float>("x")[0] == 3e8f);
  CHECK(found.newest->file.metadata.at("note") == "hello");
}

TEST_CASE("other files in the folder are left alone", "[train]") {
  const test::Scratch scratch;
  const CheckpointFolder folder(scratch.path(), 1);
  for (const char* name : {"step-1.safetensors", "step-000000009.safetensors.old", "notes.txt",
                           "step-00000000x.safetensors", "step--00000001.safetensors"})
    overwrite(scratch / name, {1, 2, 3});
  folder.write(1, file_with(1));
  folder.write(2, file_with(2));
  CHECK(folder.steps() == std::vector<Index>{2});
  CHECK(scratch.names().size() == 6);
}

TEST_CASE("a truncated or damaged checkpoint is told and the one before it used", "[train]") {
  const test::Scratch scratch;
  const CheckpointFolder folder(scratch.path(), 9);
  folder.write(1, file_with(1));
  folder.write(2, file_with(2));
  const Bytes whole = read_file(folder.path(2));
  const auto falls_back = [&](const Bytes& bytes) {
    overwrite(folder.path(2), bytes);
    const auto found = folder.newest();
    REQUIRE(found.newest.has_value());
    CHECK(found.newest->step == 1);
    REQUIRE(found.broken.size() == 1);
    CHECK_THAT(found.broken[0], Contains("step-000000002"));
  };
  for (std::size_t length = 0; length < whole.size(); length += length < 16 ? 1 : 7)
    falls_back(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)));
  // One bit flipped anywhere: in the length, the header, the checksum or the data. (Its file name may change the shape of the
  // header's JSON without harm only if it still parses, and then the checksum differs.)
  for (std::size_t at = 0; at < whole.size(); at += 3) {
    Bytes flipped = whole;
    flipped[at] ^= 4;
    falls_back(flipped);
  }
  overwrite(folder.path(2), whole);
  CHECK(folder.newest().newest->step == 2);
}

TEST_CASE("a checkpoint that cannot be written removes nothing", "[train]") {
  const test::Scratch scratch;
  const CheckpointFolder folder(scratch.path(), 1);
  folder.write(1, file_with(1));
  REQUIRE(::mkdir(folder.path(2).c_str(), 0777) == 0);  // in the way of step 2
  CHECK_THROWS_AS(folder.write(2, file_with(2)), io_error);
  ::rmdir(folder.path(2).c_str());
  CHECK(folder.newest().newest->step == 1);
  CHECK(scratch.names().size() == 1);  // no temporary file either
}

TEST_CASE("a folder that cannot be is an error that names it", "[train]") {
  const test::Scratch scratch;
  overwrite(scratch / "file", {1});
  CHECK_THROWS_WITH(CheckpointFolder(scratch / "file", 1), Contains("expected a folder"));
  CHECK_THROWS_WITH(CheckpointFolder(scratch / "no/such", 1), Contains("no/such"));
  CHECK_THROWS_AS(CheckpointFolder(scratch.path(), 0), argument_error);
}

TEST_CASE("64 bits survive hexadecimal", "[train]") {
  for (const std::uint64_t x : {0ull, 1ull, 0xfedcba9876543210ull, ~0ull}) CHECK(from_hex(to_hex(x)) == x);
  CHECK(to_hex(255) == "00000000000000ff");
  for (const char* bad : {"", "ff", "00000000000000FF", "000000000000000g", "00000000000000000"})
    CHECK_FALSE(from_hex(bad).has_value());
}
