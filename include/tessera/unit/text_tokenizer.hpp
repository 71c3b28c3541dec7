// What every tokenizer of text is: a value that turns text into tokens and back, the same for ever and from any thread.
// Tokenizer (token.hpp), Bpe (bpe.hpp), Characters and ByteTokens (characters.hpp) are such; Detokenizer and the functions
// here take any.
#pragma once

#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <tessera/core/error.hpp>
#include <tessera/core/tensor.hpp>
#include <vector>

namespace tessera {

using Token = std::int32_t;

template <class T>
concept TextTokenizer = std::copyable<T> &&
    requires(const T& t, std::string_view text, std::span<const Token> tokens, Token token) {
  { t.size() } -> std::convertible_to<Token>;  // one more than the largest id: the logits it takes
  { t.encode(text) } -> std::same_as<std::vector<Token>>;
  { t.decode(tokens) } -> std::same_as<std::string>;            // the bytes, which may be no valid UTF-8
  { t.bytes(token) } -> std::convertible_to<std::string_view>;  // of one token; argument_error if there is none
};

/// A whole text as one row [T], to learn from.
template <TextTokenizer T>
Tensor<Token> encode_row(const T& tokenizer, std::string_view text) {
  const std::vector<Token> tokens = tokenizer.encode(text);
  Tensor<Token> row(Shape{static_cast<Index>(tokens.size())});
  Token* to = row.data();
  for (const Token token : tokens) *to++ = token;
  return row;
}

/// Texts as the rows of a batch [B, length]: longer ones lose their tail, shorter ones are followed by `pad`.
template <TextTokenizer T>
Tensor<Token> encode_rows(const T& tokenizer, std::span<const std::string> texts, Index length, Token pad) {
  if (length < 1) throw argument_error("encode_rows: length is " + std::to_string(length) + ", expected at least 1");
  Tensor<Token> batch(Shape{static_cast<Index>(texts.size()), length}, pad);
  Token* row = batch.data();
  for (const std::string& text : texts) {
    const std::vector<Token> tokens = tokenizer.encode(text);
    for (std::size_t i = 0; i < tokens.size() && i < static_cast<std::size_t>(length); ++i) row[i] = tokens[i];
    row += length;
  }
  return batch;
}

}  // namespace tessera
