// JSON (RFC 8259) as text: a strict pull reader that keeps nothing, and quoting for writers.
//
// The receiver says what it expects and takes it as it goes by, so a header of any size needs no more memory than
// what the receiver keeps of it:
//
//   JsonReader json(text, "model.safetensors: header");
//   json.object([&](std::string key) { shapes[key] = json.integer(); });
//   json.finish();
//
// Strict: no comments, no trailing commas, no byte order mark, no lone surrogates, no invalid UTF-8, no raw control
// characters, bounded depth. Duplicate keys are the receiver's to reject, as it holds the keys; Json (json.hpp) does
// so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <tessera/core/error.hpp>
#include <tessera/io/bytes.hpp>
#include <tessera/io/text.hpp>

namespace tessera {

class JsonReader {
 public:
  enum class Kind { null, boolean, number, string, array, object };

  /// `name` is the file, and the field of it, that errors are reported for. The text must outlive the reader.
  JsonReader(std::string_view text, std::string name, int depth_limit = 64)
      : text_(text), name_(std::move(name)), depth_left_(depth_limit) {}

  /// What the next value is, by its first character.
  Kind peek() {
    skip_space();
    switch (current()) {
      case 'n':
        return Kind::null;
      case 't':
      case 'f':
        return Kind::boolean;
      case '"':
        return Kind::string;
      case '[':
        return Kind::array;
      case '{':
        return Kind::object;
      default:
        if (current() != '-' && !is_digit(current())) fail("a value");
        return Kind::number;
    }
  }

  /// Calls member(key) for each member; it has to read exactly one value.
  template <class Member>
  void object(Member&& member) {
    enter('{', "an object");
    if (!leave('}')) {
      do {
        skip_space();
        if (current() != '"') fail("a key in quotation marks");
        std::string key = string();
        skip_space();
        if (current() != ':') fail("':'");
        ++at_;
        member(std::move(key));
      } while (more('}'));
    }
    ++depth_left_;
  }

  /// Calls element() for each element; it has to read exactly one value.
  template <class Element>
  void array(Element&& element) {
    enter('[', "an array");
    if (!leave(']')) {
      do element();
      while (more(']'));
    }
    ++depth_left_;
  }

  std::string string() {
    skip_space();
    if (current() != '"') fail("a string");
    ++at_;
    std::string out;
    for (;;) {
      if (at_ == text_.size()) fail("the string to end");
      const char c = text_[at_];
      if (c == '"') break;
      if (c == '\\') {
        escape(out);
      } else if (static_cast<unsigned char>(c) < 0x20) {
        fail("control characters to be escaped");
      } else {
        const std::size_t length = utf8_at(text_, at_).length;
        if (length == 0) fail("UTF-8");
        out.append(text_.substr(at_, length));
        at_ += length;
      }
    }
    ++at_;
    return out;
  }

  /// The characters of a number, checked against the grammar: 0, -1.5, 6e-3.
  std::string_view number() {
    skip_space();
    const std::size_t start = at_;
    if (current() == '-') ++at_;
    if (current() == '0')
      ++at_;
    else
      digits();
    if (current() == '.') ++at_, digits();
    if (current() == 'e' || current() == 'E') {
      ++at_;
      if (current() == '+' || current() == '-') ++at_;
      digits();
    }
    return text_.substr(start, at_ - start);
  }

  /// A number without fraction or exponent that fits 64 bits.
  std::int64_t integer() {
    skip_space();
    const std::size_t start = at_;
    std::int64_t value = 0;
    const std::string_view digits = number();
    if (!whole(digits, value)) {
      at_ = start;
      fail("a whole number of at most 64 bits");
    }
    return value;
  }

  bool boolean() {
    skip_space();
    const bool value = current() == 't';
    word(value ? "true" : "false", "true or false");
    return value;
  }

  void null() {
    skip_space();
    word("null", "null");
  }

  /// Passes over one value of any kind, and gives its text.
  std::string_view skip() {
    const Kind kind = peek();
    const std::size_t start = at_;
    switch (kind) {
      case Kind::null:
        null();
        break;
      case Kind::boolean:
        boolean();
        break;
      case Kind::number:
        number();
        break;
      case Kind::string:
        string();
        break;
      case Kind::array:
        array([&] { skip(); });
        break;
      case Kind::object:
        object([&](const std::string&) { skip(); });
        break;
    }
    return text_.substr(start, at_ - start);
  }

  /// Nothing but white space may follow.
  void finish() {
    skip_space();
    if (at_ != text_.size()) fail("the end");
  }

  [[noreturn]] void fail(std::string_view expected) const {
    throw_io(name_, "byte " + std::to_string(at_), expected,
             at_ < text_.size() ? quoted(text_.substr(at_, 16)) : std::string("the end"));
  }

  /// Whether the characters of a number are a whole number of 64 bits, and which.
  static bool whole(std::string_view digits, std::int64_t& value) {
    const bool negative = !digits.empty() && digits[0] == '-';
    value = 0;
    for (std::size_t i = negative ? 1 : 0; i < digits.size(); ++i) {
      if (!is_digit(digits[i])) return false;
      const std::int64_t digit = digits[i] - '0';
      if (__builtin_mul_overflow(value, std::int64_t{10}, &value)) return false;
      if (__builtin_add_overflow(value, negative ? -digit : digit, &value)) return false;
    }
    return true;
  }

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  char current() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip_space() {
    while (current() == ' ' || current() == '\t' || current() == '\n' || current() == '\r') ++at_;
  }

  void enter(char bracket, std::string_view what) {
    skip_space();
    if (current() != bracket) fail(what);
    if (depth_left_ == 0) fail("fewer levels of nesting");
    --depth_left_;
    ++at_;
  }

  bool leave(char bracket) {
    skip_space();
    if (current() != bracket) return false;
    ++at_;
    return true;
  }

  bool more(char bracket) {
    if (leave(bracket)) return false;
    if (current() != ',') fail(bracket == '}' ? "',' or '}'" : "',' or ']'");
    ++at_;
    return true;
  }

  void digits() {
    if (!is_digit(current())) fail("a digit");
    while (is_digit(current())) ++at_;
  }

  void word(std::string_view wanted, std::string_view what) {
    if (text_.substr(at_, wanted.size()) != wanted) fail(what);
    at_ += wanted.size();
  }

  void escape(std::string& out) {
    ++at_;
    constexpr std::string_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    if (current() == 'u') {
      ++at_;
      std::uint32_t code = hex4();
      if (code >= 0xD800 && code < 0xDC00) {
        if (text_.substr(at_, 2) != "\\u") fail("the second half of a surrogate pair");
        at_ += 2;
        const std::uint32_t low = hex4();
        if (low < 0xDC00 || low > 0xDFFF) fail("the second half of a surrogate pair");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      } else if (code >= 0xDC00 && code <= 0xDFFF) {
        fail("the first half of a surrogate pair");
      }
      append_utf8(out, code);
      return;
    }
    const std::size_t which = at_ < text_.size() ? letters.find(text_[at_]) : std::string_view::npos;
    if (which == std::string_view::npos) fail("an escape that JSON knows");
    out += meanings[which];
    ++at_;
  }

  std::uint32_t hex4() {
    std::uint32_t code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = current();
      const int digit = is_digit(c)            ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) fail("four hexadecimal digits");
      code = code << 4 | static_cast<std::uint32_t>(digit);
    }
    return code;
  }

  std::string_view text_;
  std::string name_;
  std::size_t at_ = 0;
  int depth_left_;
};

/// Appends text as a JSON string. Throws argument_error if it is not UTF-8.
inline void append_json(std::string& out, std::string_view text) {
  if (!valid_utf8(text)) throw argument_error("JSON: expected UTF-8, found " + quoted(text));
  constexpr char hex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += "\\u00";
      out += hex[c >> 4];
      out += hex[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace tessera
