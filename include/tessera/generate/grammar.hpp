// A grammar that generated text has to follow, in the notation of GBNF (llama.cpp), a BNF with regular-expression repeats:
//
//   root   ::= "{" space pair ("," space pair)* "}"        # the start; a comment
//   pair   ::= "\"" [a-z_]+ "\":" space number
//   number ::= "-"? [0-9]{1,6}
//   space  ::= [ \n]*
// Literals, classes [a-z] and [^a-z], `.` for any character, names, ( ), |, * + ? {n} {n,} {n,m}; escapes \n \t \r \\ \" \[ \]
// \- \^ \xHH \uHHHH. Rules may refer to each other and to themselves, but not as their own first part.
//
// It is compiled to a pushdown automaton over bytes (UTF-8 classes become byte ranges); grammar_matcher.hpp runs it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <tessera/core/error.hpp>
#include <tessera/generate/grammar_steps.hpp>
#include <tessera/generate/utf8_ranges.hpp>
#include <tessera/io/text.hpp>
#include <utility>
#include <vector>

namespace tessera {

class Grammar {
 public:
  /// Throws io_error naming the line and what was wanted.
  static Grammar parse(std::string_view text, const std::string& name = "grammar");

  using Step = GrammarStep;
  const std::vector<Step>& steps() const { return steps_; }
  std::uint32_t start() const { return start_; }

 private:
  class Parser;
  std::vector<Step> steps_;
  std::uint32_t start_ = 0;
};

/// Recursive descent over the text; each construct is emitted as it is read.
class Grammar::Parser {
 public:
  Parser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  Grammar parse() {
    if (const std::size_t bad = utf8_error(text_); bad != text_.size()) fail("UTF-8", "a byte that is none");
    for (skip(true); at_ < text_.size(); skip(true)) {
      const std::string rule = identifier();
      skip(true);
      if (text_.substr(at_, 3) != "::=") fail("::= after " + rule, found());
      at_ += 3;
      skip(true);
      const std::uint32_t id = rule_named(rule);
      if (rules_[id].defined) fail("each rule once", "a second " + rule);
      rules_[id].defined = true;
      rules_[id].start = here();
      alternatives(0);
      emit({Step::end});
    }
    const auto root = ids_.find("root");
    if (root == ids_.end() || !rules_[root->second].defined) fail("a rule called root", "none");
    for (const auto& [rule, id] : ids_) {
      if (!rules_[id].defined) fail("a rule " + rule, "only its use");
    }
    check_left_recursion();
    for (Step& s : g_.steps_) {
      if (s.kind == Step::call) s.to = rules_[s.to].start;
    }
    g_.start_ = rules_[root->second].start;
    return std::move(g_);
  }

 private:
  static constexpr std::size_t most_steps = 1U << 20;
  static constexpr int deepest = 200;
  struct Rule {
    std::uint32_t start = 0;
    bool defined = false;
  };
  [[noreturn]] void fail(const std::string& wanted, const std::string& seen) const {
    std::size_t line = 1;
    for (std::size_t i = 0; i < at_ && i < text_.size(); ++i) line += text_[i] == '\n';
    throw io_error(printable(name_, 400) + ": line " + std::to_string(line) + ": expected " + printable(wanted) +
                   ", found " + printable(seen));
  }
  std::string found() const { return at_ < text_.size() ? quoted(text_.substr(at_, 12)) : "the end"; }

  void skip(bool lines) {
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '#') {
        while (at_ + 1 < text_.size() && text_[at_ + 1] != '\n') ++at_;
      } else if (c != ' ' && c != '\t' && !(lines && (c == '\n' || c == '\r'))) {
        return;
      }
    }
  }
  static bool is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  }
  std::string identifier() {
    const std::size_t from = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    if (at_ == from) fail("a name", found());
    return std::string(text_.substr(from, at_ - from));
  }
  std::uint32_t rule_named(const std::string& rule) {
    const auto [at, added] = ids_.try_emplace(rule, static_cast<std::uint32_t>(rules_.size()));
    if (added) rules_.emplace_back();
    return at->second;
  }
  std::uint32_t here() const { return static_cast<std::uint32_t>(g_.steps_.size()); }
  std::uint32_t emit(Step s) {
    if (g_.steps_.size() == most_steps) fail("a grammar of at most 2^20 steps", "more; repeat less often");
    g_.steps_.push_back(s);
    return here() - 1;
  }

  // a | b | c   is   fork B; a; jump end; B: fork C; b; jump end; C: c; end:
  void alternatives(int depth) {
    if (depth > deepest) fail("at most 200 brackets in each other", "more");
    std::vector<std::uint32_t> jumps;
    for (;;) {
      const std::uint32_t begin = here();
      sequence(depth);
      skip(depth > 0);
      if (at_ >= text_.size() || text_[at_] != '|') break;
      ++at_;
      insert(begin, {Step::fork});
      jumps.push_back(emit({Step::jump}));
      g_.steps_[begin].to = here();
      skip(true);
    }
    for (const std::uint32_t j : jumps) g_.steps_[j].to = here();
  }
  /// Puts a step before those from `at` on, whose own targets move along.
  void insert(std::uint32_t at, Step s) {
    emit({});
    for (std::uint32_t i = here() - 1; i > at; --i) g_.steps_[i] = moved(g_.steps_[i - 1], at, 1);
    g_.steps_[at] = s;
  }
  static Step moved(Step s, std::uint32_t from, std::uint32_t by) {
    if ((s.kind == Step::fork || s.kind == Step::jump) && s.to >= from) s.to += by;
    return s;
  }

  void sequence(int depth) {
    for (;;) {
      skip(depth > 0);
      if (at_ >= text_.size()) return;
      const char c = text_[at_];
      if (c == '|' || c == ')' || c == '\n' || c == '\r') return;
      const std::uint32_t begin = here();
      if (c == '"') {
        literal();
      } else if (c == '[') {
        character_class();
      } else if (c == '.') {
        ++at_;
        ranges({{0, 0x10FFFF}});
      } else if (c == '(') {
        ++at_;
        alternatives(depth + 1);
        skip(true);
        if (at_ >= text_.size() || text_[at_] != ')') fail(")", found());
        ++at_;
      } else if (is_name(c)) {
        Step call{Step::call};
        call.to = rule_named(identifier());
        emit(call);
      } else {
        fail("a literal, a class, a name or a bracket", found());
      }
      repeat(begin);
    }
  }

  void repeat(std::uint32_t begin) {
    if (at_ >= text_.size()) return;
    const char c = text_[at_];
    std::uint32_t least = 0, most = 0;
    bool endless = false;
    if (c == '*' || c == '+' || c == '?') {
      ++at_;
      least = c == '+' ? 1 : 0;
      most = 1;
      endless = c != '?';
    } else if (c == '{') {
      ++at_;
      least = most = count();
      if (at_ < text_.size() && text_[at_] == ',') {
        ++at_;
        endless = at_ < text_.size() && text_[at_] == '}';
        if (!endless) most = count();
      }
      if (at_ >= text_.size() || text_[at_] != '}') fail("}", found());
      ++at_;
      if (most < least) fail("a greatest number not below the least", std::to_string(most));
    } else {
      return;
    }
    const std::vector<Step> part(g_.steps_.begin() + begin, g_.steps_.end());
    g_.steps_.resize(begin);
    const auto copy = [&] {
      const std::uint32_t by = here() - begin;
      for (const Step& s : part) emit(moved(s, begin, by));
    };
    for (std::uint32_t i = 0; i < least; ++i) copy();
    if (endless) {  // L: fork end; part; jump L; end:
      const std::uint32_t loop = emit({Step::fork});
      if (grammar_detail::nullable(part, begin)) fail("a repeated part that is never empty", "one that may be");
      copy();
      Step back{Step::jump};
      back.to = loop;
      emit(back);
      g_.steps_[loop].to = here();
    } else {  // each of the rest: fork end; part
      std::vector<std::uint32_t> forks;
      for (std::uint32_t i = least; i < most; ++i) {
        forks.push_back(emit({Step::fork}));
        copy();
      }
      for (const std::uint32_t f : forks) g_.steps_[f].to = here();
    }
  }
  std::uint32_t count() {
    std::uint32_t n = 0;
    const std::size_t from = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      n = n * 10 + static_cast<std::uint32_t>(text_[at_] - '0');
      if (n > 100000) fail("a number up to 100000", "a greater one");
    }
    if (at_ == from) fail("a number", found());
    return n;
  }

  std::uint32_t hex(int digits) {
    std::uint32_t x = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char c = at_ < text_.size() ? text_[at_] : ' ';
      const int d = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
      if (d < 0) fail("a hexadecimal digit", found());
      x = x * 16 + static_cast<std::uint32_t>(d);
    }
    return x;
  }
  /// The next character, escapes resolved.
  std::uint32_t character(const char* inside) {
    if (at_ >= text_.size() || text_[at_] == '\n') fail(std::string("the end of ") + inside, found());
    if (text_[at_] != '\\') {
      const Utf8 c = utf8_at(text_, at_);
      at_ += c.length;
      return c.code;
    }
    ++at_;
    const char c = at_ < text_.size() ? text_[at_++] : ' ';
    switch (c) {
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case 'r':
        return '\r';
      case 'x':
        return hex(2);
      case 'u':
        return hex(4);
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
      case '^':
        return static_cast<std::uint32_t>(c);
      default:
        --at_;
        fail("an escape", found());
    }
  }
  void literal() {
    ++at_;
    while (at_ >= text_.size() || text_[at_] != '"') {
      std::string bytes;
      append_utf8(bytes, valid(character("a literal")));
      for (const char b : bytes) {
        const auto byte = static_cast<std::uint8_t>(b);
        emit({Step::bytes, byte, byte});
      }
    }
    ++at_;
  }
  std::uint32_t valid(std::uint32_t code) const {
    if (code >= 0xD800 && code <= 0xDFFF) fail("a character", "half of a surrogate pair");
    return code;
  }
  void character_class() {
    ++at_;
    const bool invert = at_ < text_.size() && text_[at_] == '^';
    if (invert) ++at_;
    std::vector<CodeRange> wanted;
    while (at_ >= text_.size() || text_[at_] != ']') {
      const std::uint32_t low = valid(character("a class"));
      std::uint32_t high = low;
      if (at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']') {
        ++at_;
        high = valid(character("a class"));
      }
      if (high < low) fail("a range that rises", "one that falls");
      wanted.push_back({low, high});
    }
    ++at_;
    wanted = merged_ranges(std::move(wanted));
    if (invert) wanted = inverted_ranges(wanted);
    ranges(wanted);
  }

  /// One character of these ranges, as alternatives of byte sequences whose bytes each have a range of their own.
  void ranges(const std::vector<CodeRange>& wanted) {
    const std::vector<ByteRanges> paths = byte_ranges(wanted);
    if (paths.empty()) fail("a class with a character", "an empty one");
    std::vector<std::uint32_t> jumps;
    for (std::size_t i = 0; i < paths.size(); ++i) {
      const bool last = i + 1 == paths.size();
      const std::uint32_t fork = last ? 0 : emit({Step::fork});
      for (int b = 0; b < paths[i].length; ++b) emit({Step::bytes, paths[i].low[b], paths[i].high[b]});
      if (last) break;
      jumps.push_back(emit({Step::jump}));
      g_.steps_[fork].to = here();
    }
    for (const std::uint32_t j : jumps) g_.steps_[j].to = here();
  }

  /// A rule must not come back to its own start without reading a byte; nor may a loop go round without reading.
  void check_left_recursion() {
    if (rules_.size() > 4096) fail("at most 4096 rules", std::to_string(rules_.size()));
    std::vector<std::uint32_t> starts;
    for (const Rule& r : rules_) starts.push_back(r.start);
    const grammar_detail::Reach reach(g_.steps_, starts);
    if (reach.idle_loop()) fail("a repeated part that is never empty", "one whose rules may be");
    const std::size_t left = reach.left_recursive();
    for (const auto& [rule, id] : ids_) {
      if (id == left) fail("a rule that does not begin with itself", "left recursion in " + rule);
    }
  }

  std::string_view text_;
  std::string name_;
  std::size_t at_ = 0;
  Grammar g_;
  std::map<std::string, std::uint32_t> ids_;
  std::vector<Rule> rules_;
};

inline Grammar Grammar::parse(std::string_view text, const std::string& name) { return Parser(text, name).parse(); }

}  // namespace tessera
