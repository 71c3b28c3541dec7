#include <tessera/io/file.hpp>

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <string>
#include <vector>

#include "tests/io/hostile.hpp"
#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;

TEST_CASE("file: what is written is read", "[io][file]") {
  const test::Scratch scratch;
  for (const std::size_t size : {0U, 1U, 65536U, 300001U}) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 31);
    write_file(scratch / "a", bytes);
    CHECK(read_file(scratch / "a") == bytes);
  }
  write_file(scratch / "a", "text");
  CHECK(as_text(read_file(scratch / "a")) == "text");
  CHECK(scratch.names() == std::vector<std::string>{"a"});
}

TEST_CASE("file: permissions and links survive a replacement", "[io][file]") {
  const test::Scratch scratch;
  write_file(scratch / "a", "old");
  REQUIRE(::chmod((scratch / "a").c_str(), 0640) == 0);
  REQUIRE(::symlink("a", (scratch / "link").c_str()) == 0);
  write_file(scratch / "link", "new");
  CHECK(as_text(read_file(scratch / "a")) == "new");
  struct stat info {};
  REQUIRE(::lstat((scratch / "link").c_str(), &info) == 0);
  CHECK(S_ISLNK(info.st_mode));
  REQUIRE(::stat((scratch / "a").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0640);
}

TEST_CASE("file: a write that fails leaves the old file and nothing else", "[io][file]") {
  const test::Scratch scratch;
  write_file(scratch / "a", "old");
  {
    AtomicFile file(scratch / "a");
    file.write("half of the n");
    CHECK(scratch.names().size() == 2);
  }  // never committed
  CHECK(as_text(read_file(scratch / "a")) == "old");
  CHECK(scratch.names().size() == 1);

  // A limit on the size of files stands in for a full disk.
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit small = before;
  small.rlim_cur = 100000;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string message = test::io_error_of([&] { write_file(scratch / "a", Bytes(200000)); });
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, handler);
  CHECK_THAT(message, Catch::Matchers::Contains("cannot write: File too large"));
  CHECK(as_text(read_file(scratch / "a")) == "old");
  CHECK(scratch.names().size() == 1);
}

TEST_CASE("file: errors name the file and the reason", "[io][file]") {
  const test::Scratch scratch;
  const auto writing = [](const std::string& path) { return test::io_error_of([&] { write_file(path, "x"); }); };
  CHECK(writing("/dev/full") == "/dev/full: cannot write: No space left on device");
  CHECK(writing("/nowhere/a") == "/nowhere/a: cannot write: folder \"/nowhere\": No such file or directory");
  CHECK(writing(scratch.path()) == scratch.path() + ": cannot write: Is a directory");
  CHECK(writing("/proc/a") != "");
  CHECK(writing("") == "cannot write: the file name is empty");
  CHECK(writing(std::string("a\0b", 3)) == "a\\x00b: path: expected no NUL in it, found one");
  CHECK(writing(scratch / std::string(300, 'n')) != "");
  CHECK(scratch.names().empty());
  CHECK_NOTHROW(write_file("/dev/null", "x"));
  CHECK(::access("/dev/null", F_OK) == 0);

  write_file(scratch / "a", "12345");
  CHECK(test::io_error_of([&] { read_file(scratch / "a", 4); }) ==
        scratch / "a" + ": size: expected at most 4 bytes, found 5 or more");
  CHECK(read_file(scratch / "a", 5).size() == 5);
  CHECK_THAT(test::io_error_of([] { read_file("/dev/zero", 100000); }),
             Catch::Matchers::Contains("at most 100000 bytes"));
  REQUIRE(::truncate((scratch / "a").c_str(), off_t{1} << 42) == 0);  // a hole of 4 TB takes no room on the disk
  CHECK_THAT(test::io_error_of([&] { read_file(scratch / "a"); }),
             Catch::Matchers::Contains("at most 17179869184 bytes"));
}

TEST_CASE("bytes: the reader stops at the end and says which field", "[io][bytes]") {
  const Bytes bytes = {'R', 'I', 1, 2, 3, 4};
  ByteReader reader(bytes, "a.wav");
  reader.expect("RI", "magic");
  CHECK(reader.big<std::uint16_t>("rate") == 0x0102);
  CHECK(reader.position() == 4);
  CHECK(test::io_error_of([&] { reader.little<std::uint32_t>("length"); }) ==
        "a.wav: length: expected 4 bytes at offset 4, found 2 before the end of the file");
  CHECK(reader.little<std::int16_t>("rest") == 0x0403);
  CHECK(reader.take(0, "nothing").empty());
  CHECK(test::io_error_of([&] { reader.take(~std::uint64_t{0}, "all"); }) != "");
  ByteReader other(bytes, "b");
  CHECK(test::io_error_of([&] { other.expect("RX", "magic"); }) == "b: magic: expected \"RX\", found \"RI\"");
  CHECK(!checked_multiply(std::uint64_t{1} << 32, std::uint64_t{1} << 32));
  CHECK(!checked_add(~std::uint64_t{0}, 1));
  CHECK(checked_add(2, 3) == 5U);
}

TEST_CASE("text: UTF-8 is checked and what is printed is harmless", "[io][text]") {
  for (std::uint32_t code = 0; code < 0x110000; code += code < 0x3000 ? 1 : 37) {
    if (code >= 0xD800 && code <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, code);
    const Utf8 back = utf8_at(text, 0);
    if (back.code != code || back.length != text.size()) FAIL(code);
    for (std::size_t cut = 1; cut < text.size(); ++cut) CHECK(utf8_at(text.substr(0, cut), 0).length == 0);
  }
  for (const char* bad : {"\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                          "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\x80", "\xFF", "\xE4\xB8"}) {
    CHECK(utf8_error(bad) == 0);
    CHECK(utf8_error(std::string("ab") + bad) == 2);
  }
  CHECK(valid_utf8("一隻狗 \xF0\x9F\x90\x95"));
  CHECK(printable("一隻狗 \xF0\x9F\x90\x95") == "一隻狗 \xF0\x9F\x90\x95");
  CHECK(printable("a\x1b[2J\r\n\x7f\xC2\x9B\xFFz") == "a\\x1b[2J\\x0d\\x0a\\x7f\\xc2\\x9b\\xffz");
  CHECK(printable("\xE2\x80\xAE"
                  "abc") == "\\xe2\\x80\\xaeabc");
  CHECK(printable(std::string(1000000, 'x'), 10) == "xxxxxxxxxx...");
  CHECK(printable("一隻狗", 7) == "一隻...");
}
