// The tokens of a vocabulary: the bytes of each id, and the id of given bytes. All bytes lie in one block and an id costs 8
// more, an entry of the index at most 8, so a vocabulary of any size is a few allocations.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <tessera/core/error.hpp>
#include <tessera/unit/token.hpp>
#include <vector>

namespace tessera {

class TokenTable {
 public:
  static constexpr Token none = -1;
  static constexpr Token most = (1 << 21) - 1;  // tokens a vocabulary may have: the largest published have 2^18
  static constexpr std::size_t longest = 1024;  // bytes of a token: the longest published have 128 to 256

  /// One more than the largest id. Ids may be missing in between: p50k has no token 50256.
  Token size() const { return static_cast<Token>(tokens_.size()); }
  /// How many ids have a token.
  std::size_t count() const { return count_; }
  bool has(Token id) const { return id >= 0 && id < size() && tokens_[static_cast<std::size_t>(id)].length != 0; }
  /// What a token stands for; empty for an id that has none.
  std::string_view operator[](Token id) const {
    if (!has(id)) return {};
    const Place& place = tokens_[static_cast<std::size_t>(id)];
    return {bytes_.data() + place.at, place.length};
  }

  /// The token with these bytes, of those that were added as findable.
  Token find(std::string_view bytes) const {
    if (index_.empty()) return none;
    for (std::size_t slot = hash(bytes) & (index_.size() - 1);; slot = (slot + 1) & (index_.size() - 1)) {
      const Token id = index_[slot];
      if (id == none || (*this)[id] == bytes) return id;
    }
  }

  enum class Added { yes, id_taken, bytes_taken, no_bytes, too_long, id_outside };

  /// Nothing changes unless the answer is yes.
  Added add(Token id, std::string_view bytes, bool findable = true) {
    if (bytes.empty()) return Added::no_bytes;
    if (bytes.size() > longest) return Added::too_long;
    if (id < 0 || id >= most) return Added::id_outside;
    if (has(id)) return Added::id_taken;
    if (findable && find(bytes) != none) return Added::bytes_taken;
    if (bytes_.size() + bytes.size() > UINT32_MAX) return Added::too_long;
    const auto at = static_cast<std::size_t>(id);
    if (at >= tokens_.size()) tokens_.resize(at + 1);
    tokens_[at] = {static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(bytes.size())};
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    ++count_;
    if (findable) {
      if (2 * (findable_ + 1) > index_.size()) grow(index_.empty() ? 512 : 2 * index_.size());
      insert(id);
    }
    return Added::yes;
  }

  /// Room for so many tokens of so many bytes in all, so that adding them moves nothing.
  void reserve(std::size_t tokens, std::size_t bytes) {
    tokens_.reserve(tokens);
    bytes_.reserve(bytes);
    std::size_t slots = 512;
    while (slots < 2 * tokens) slots *= 2;
    if (slots > index_.size()) grow(slots);
  }

  static std::uint64_t hash(std::string_view bytes) {
    std::uint64_t h = bytes.size() * 0x9E3779B97F4A7C15u;
    while (bytes.size() >= 8) {
      std::uint64_t eight = 0;
      std::memcpy(&eight, bytes.data(), 8);
      h = (h ^ eight) * 0xD6E8FEB86659FD93u;
      h ^= h >> 32;
      bytes.remove_prefix(8);
    }
    std::uint64_t rest = 0;
    for (const char c : bytes) rest = rest << 8 | static_cast<unsigned char>(c);
    h = (h ^ rest) * 0xD6E8FEB86659FD93u;
    return h ^ h >> 29;
  }

 private:
  struct Place {
    std::uint32_t at = 0, length = 0;
  };

  void insert(Token id) {
    std::size_t slot = hash((*this)[id]) & (index_.size() - 1);
    while (index_[slot] != none) slot = (slot + 1) & (index_.size() - 1);
    index_[slot] = id;
    ++findable_;
  }

  void grow(std::size_t slots) {
    std::vector<Token> old(slots, none);
    old.swap(index_);
    findable_ = 0;
    for (const Token id : old) {
      if (id != none) insert(id);
    }
  }

  std::vector<char> bytes_;
  std::vector<Place> tokens_;
  std::vector<Token> index_;  // open addressing, at most half full
  std::size_t count_ = 0, findable_ = 0;
};

}  // namespace tessera
