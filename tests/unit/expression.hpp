// A plain backtracking matcher for the regular expressions by which published tokenizers cut text: the definition that
// the hand-written matchers of unit/pretokenize.hpp are tested against. It knows what these expressions use: | (?: ) (?i: )
// [ ] [^ ] \p{..} \s \S \r \n $ (?!\S) and the quantifiers ? * + {a,b}, greedy or possessive.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <tessera/unit/unicode.hpp>

namespace test {

class Expression {
 public:
  explicit Expression(std::string_view text) : text_(text) {
    root_ = alternatives(false);
    if (at_ != text_.size()) throw std::runtime_error("expression: trailing text");
  }

  /// The pieces of a text: matches one after the other, which here cover all of it.
  std::vector<std::string> pieces(std::string_view text) const {
    std::vector<std::string> out;
    std::size_t at = 0;
    while (at < text.size()) {
      std::size_t end = at;
      if (!root_(text, at, [&](std::size_t to) { return end = to, true; }) || end == at) {
        throw std::runtime_error("expression: no match");
      }
      out.emplace_back(text.substr(at, end - at));
      at = end;
    }
    return out;
  }

 private:
  using Then = std::function<bool(std::size_t)>;
  using Match = std::function<bool(std::string_view, std::size_t, const Then&)>;
  using In = std::function<bool(std::uint32_t)>;

  bool eat(std::string_view what) {
    if (text_.substr(at_, what.size()) != what) return false;
    at_ += what.size();
    return true;
  }

  Match alternatives(bool any_case) {
    std::vector<Match> all{sequence(any_case)};
    while (eat("|")) all.push_back(sequence(any_case));
    return [all](std::string_view text, std::size_t at, const Then& then) {
      for (const Match& each : all) {
        if (each(text, at, then)) return true;
      }
      return false;
    };
  }

  Match sequence(bool any_case) {
    Match all = [](std::string_view, std::size_t at, const Then& then) { return then(at); };
    while (at_ < text_.size() && text_[at_] != '|' && text_[at_] != ')') {
      const Match before = all, next = repeated(any_case);
      all = [before, next](std::string_view text, std::size_t at, const Then& then) {
        return before(text, at, [&](std::size_t middle) { return next(text, middle, then); });
      };
    }
    return all;
  }

  Match repeated(bool any_case) {
    const Match one = atom(any_case);
    int least = 1, most = 1;
    if (eat("?"))
      least = 0;
    else if (eat("*"))
      least = 0, most = 1 << 30;
    else if (eat("+"))
      most = 1 << 30;
    else if (eat("{")) {
      least = text_[at_] - '0', most = text_[at_ + 2] - '0';
      at_ += 4;
    } else
      return one;
    const bool possessive = eat("+");
    const auto more = std::make_shared<std::function<bool(std::string_view, std::size_t, int, const Then&)>>();
    const auto self = more.get();
    *more = [one, least, most, self](std::string_view text, std::size_t at, int count, const Then& then) {
      if (count < most &&
          one(text, at, [&](std::size_t to) { return to != at && (*self)(text, to, count + 1, then); })) {
        return true;
      }
      return count >= least && then(at);
    };
    return [more, possessive](std::string_view text, std::size_t at, const Then& then) {
      if (!possessive) return (*more)(text, at, 0, then);
      std::size_t end = 0;
      return (*more)(text, at, 0, [&](std::size_t to) { return end = to, true; }) && then(end);
    };
  }

  Match atom(bool any_case) {
    if (eat("(?!\\S)")) {
      return [](std::string_view text, std::size_t at, const Then& then) {
        const auto c = tessera::character_at(text, at);
        return (c.length == 0 || (c.kinds & tessera::kind::space) != 0) && then(at);
      };
    }
    if (eat("$"))
      return [](std::string_view text, std::size_t at, const Then& then) { return at == text.size() && then(at); };
    if (eat("(?i:") || eat("(?:")) {
      const Match inside = alternatives(text_[at_ - 2] == 'i' || any_case);
      eat(")");
      return inside;
    }
    const In in = eat("[") ? set(any_case) : single(any_case);
    return [in](std::string_view text, std::size_t at, const Then& then) {
      if (at >= text.size()) return false;
      const tessera::Utf8 c = tessera::utf8_at(text, at);
      return in(c.length == 0 ? 0xFFFD : c.code) && then(at + (c.length == 0 ? 1 : c.length));
    };
  }

  In set(bool any_case) {
    const bool negated = eat("^");
    std::vector<In> all;
    while (!eat("]")) all.push_back(single(any_case));
    return [all, negated](std::uint32_t c) {
      for (const In& each : all) {
        if (each(c)) return !negated;
      }
      return negated;
    };
  }

  In single(bool any_case) {
    if (eat("\\p{")) {
      const std::size_t end = text_.find('}', at_);
      const std::string name(text_.substr(at_, end - at_));
      at_ = end + 1;
      return [name](std::uint32_t c) {
        static constexpr std::string_view names[] = {"Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl"};
        const auto category = static_cast<std::size_t>(utf8proc_category(static_cast<utf8proc_int32_t>(c)));
        return (category < std::size(names)        ? names[category]
                : category == UTF8PROC_CATEGORY_NO ? "No"
                                                   : "?")
                   .substr(0, name.size()) == name;
      };
    }
    if (eat("\\s")) return [](std::uint32_t c) { return (tessera::kinds_of(c) & tessera::kind::space) != 0; };
    if (eat("\\r")) return [](std::uint32_t c) { return c == '\r'; };
    if (eat("\\n")) return [](std::uint32_t c) { return c == '\n'; };
    const auto wanted = static_cast<unsigned char>(text_[at_++]);
    return [wanted, any_case](std::uint32_t c) {
      if (any_case && c >= 'A' && c <= 'Z') c += 'a' - 'A';
      return c == wanted || (any_case && wanted == 's' && c == 0x17F);
    };
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Match root_;
};

}  // namespace test
