// Text as it is made, token by token. Tokens may end within a character, so what is shown holds back the bytes of one that
// is not whole yet; bytes that can never become one are shown as U+FFFD, one for each longest beginning of a character
// (Unicode 15, section 3.9; what browsers do).
//
//   Detokenizer stream(bpe);
//   while (...) std::cout << stream.push(token);
//   std::cout << stream.finish();
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tessera/unit/text_tokenizer.hpp>

namespace tessera {

/// Turns any bytes, in any portions, into valid UTF-8.
class Utf8Stream {
 public:
  /// What can be said for certain after these bytes: at most 3 bytes stay held back.
  std::string push(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) {
      const auto byte = static_cast<unsigned char>(c);
      if (wanted_ > 0) {
        if (byte >= low_ && byte <= high_) {
          held_ += c;
          low_ = 0x80, high_ = 0xBF;
          if (--wanted_ == 0) out += held_, held_.clear();
          continue;
        }
        out += replacement;
        held_.clear();
        wanted_ = 0;
      }
      begin(c, byte, out);
    }
    return out;
  }

  /// The end of the text: what is held back will not become a character any more.
  std::string finish() {
    std::string out(wanted_ > 0 ? replacement : "");
    held_.clear();
    wanted_ = 0;
    return out;
  }

  static constexpr const char* replacement = "\xEF\xBF\xBD";

 private:
  void begin(char c, unsigned char byte, std::string& out) {
    if (byte < 0x80) {
      out += c;
    } else if (byte < 0xC2 || byte > 0xF4) {
      out += replacement;
    } else {  // overlong forms, surrogates and what is above U+10FFFF show in the second byte
      wanted_ = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
      low_ = byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;
      high_ = byte == 0xED ? 0x9F : byte == 0xF4 ? 0x8F : 0xBF;
      held_.assign(1, c);
    }
  }

  std::string held_;
  int wanted_ = 0;  // bytes until the character is whole
  unsigned char low_ = 0x80, high_ = 0xBF;
};

/// Any bytes as valid UTF-8.
inline std::string repaired_utf8(std::string_view bytes) {
  Utf8Stream stream;
  std::string text = stream.push(bytes);
  return text += stream.finish();
}

/// The tokenizer must outlive it. A copy goes on from where the original was.
template <TextTokenizer T>
class Detokenizer {
 public:
  explicit Detokenizer(const T& tokenizer, bool keep_special = false)
      : tokenizer_(&tokenizer), keep_special_(keep_special) {}

  /// Throws argument_error for an id that is no token; nothing has changed then.
  std::string push(Token token) {
    const auto& kept = tokenizer_->bytes(token);  // some tokenizers give a string, some a view of their own
    std::string_view bytes = kept;
    if constexpr (requires { tokenizer_->is_special(token); }) {
      if (tokenizer_->is_special(token)) return keep_special_ ? stream_.push(bytes) : std::string();
    }
    if constexpr (requires { tokenizer_->drops_lead(); }) {
      if (first_ && tokenizer_->drops_lead() && bytes.starts_with(' ')) bytes.remove_prefix(1);
    }
    first_ = false;
    return stream_.push(bytes);
  }

  std::string finish() {
    first_ = true;
    return stream_.finish();
  }

 private:
  const T* tokenizer_;
  bool keep_special_ = false, first_ = true;
  Utf8Stream stream_;
};

}  // namespace tessera
