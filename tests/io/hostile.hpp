// What a stranger may do to a file: cut it off anywhere, change any byte. A reader may accept the result or throw
// io_error; anything else (another exception, a crash, a sanitizer's finding) fails the test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <tessera/core/error.hpp>
#include <tessera/io/bytes.hpp>
#include "tests/support/catch.hpp"

namespace test {

/// The message of the io_error that reading throws; fails if it throws none.
template <class Read>
std::string io_error_of(Read read) {
  try {
    read();
  } catch (const tessera::io_error& e) { return e.what(); }
  FAIL("expected an io_error");
  return {};
}

template <class Read>
bool accepts(Read read, const tessera::Bytes& bytes) {
  try {
    read(bytes);
    return true;
  } catch (const tessera::io_error&) { return false; }
}

/// Cut off before byte `from` .. size - 1, reading has to throw.
template <class Read>
void check_truncations(const tessera::Bytes& valid, Read read) {
  REQUIRE(accepts(read, valid));
  for (std::size_t size = 0; size < valid.size(); ++size) {
    const tessera::Bytes cut(valid.begin(), valid.begin() + static_cast<std::ptrdiff_t>(size));
    INFO("cut off at " << size);
    CHECK(!accepts(read, cut));
  }
}

/// Each byte, with each of several changes: reading has to succeed or throw io_error. Returns how many were accepted.
template <class Read>
int check_flips(const tessera::Bytes& valid, Read read) {
  int accepted = 0;
  for (std::size_t at = 0; at < valid.size(); ++at) {
    for (const int flip : {0x01, 0x02, 0x10, 0x20, 0x80, 0xFF}) {
      tessera::Bytes bytes = valid;
      bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ flip);
      accepted += accepts(read, bytes) ? 1 : 0;
    }
  }
  return accepted;
}

}  // namespace test
