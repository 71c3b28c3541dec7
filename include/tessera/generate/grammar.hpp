// A grammar that generated text has to follow, in the notation of GBNF (llama.cpp), a BNF with regular-expression repeats:
//
//   root   ::= "{" space pair ("," space pair)* "}"        # the start; a comment
//   pair   ::= "\"" [a-z_]+ "\":" space number
//   number ::= "-"? [0-9]{1,6}
//   space  ::= [ \n]*
// Literals, classes [a-z] and [^a-z], `.` for any character, names, ( ), |, * + ? {n} {n,} {n,m}; escapes \n \t \r \\ \" \[ \]
// \- \^ \xHH \uHHHH. Rules may refer to each other and to themselves, but not as their own first part.
//
// It is compiled to a pushdown automaton over bytes (UTF-8 classes become byte ranges), and run with a set of stacks, all of
// which are ways to read the text so far. Stacks share their lower parts: each is a number, naming its top and the stack below.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tessera/core/error.hpp>
#include <tessera/core/index.hpp>
#include <tessera/io/text.hpp>
#include <utility>
#include <vector>

namespace tessera {

class Grammar {
 public:
  /// Throws io_error naming the line and what was wanted.
  static Grammar parse(std::string_view text, const std::string& name = "grammar");

  // A step of the automaton. `bytes`: read one in [low, high], go on behind. `call`: rule `to`, then behind. `fork`: behind,
  // or at `to`. `jump`: at `to`. `end`: of a rule.
  struct Step {
    enum Kind : std::uint8_t { bytes, call, fork, jump, end } kind = end;
    std::uint8_t low = 0, high = 0;
    std::uint32_t to = 0;
  };
  const std::vector<Step>& steps() const { return steps_; }
  std::uint32_t start() const { return start_; }

 private:
  class Parser;
  std::vector<Step> steps_;
  std::uint32_t start_ = 0;
};

/// Where a text stands in a grammar. A value.
class GrammarMatcher {
 public:
  explicit GrammarMatcher(std::shared_ptr<const Grammar> grammar) : grammar_(std::move(grammar)) {
    nodes_.push_back({});
    expand(push(0, grammar_->start()), now_);
  }

  /// False when the byte cannot come here, and then nothing changes.
  bool accept(unsigned char byte) {
    Stacks next;
    after(now_, byte, next);
    if (next.empty()) return false;
    now_ = std::move(next);
    return true;
  }
  bool accept(std::string_view text) {
    const Stacks before = now_;
    for (const char c : text) {
      if (accept(static_cast<unsigned char>(c))) continue;
      now_ = before;
      return false;
    }
    return true;
  }
  /// The text so far is a whole one.
  bool may_end() const {
    for (const std::uint32_t s : now_) {
      if (s == 0) return true;
    }
    return false;
  }
  /// Nothing more can come.
  bool finished() const { return now_.size() == 1 && now_[0] == 0; }

  /// A set of stacks; 0 is the empty one.
  using Stacks = std::vector<std::uint32_t>;
  const Stacks& stacks() const { return now_; }
  /// The stacks after a byte, none if it cannot come.
  void after(const Stacks& from, unsigned char byte, Stacks& to) {
    to.clear();
    for (const std::uint32_t s : from) {
      if (s == 0) continue;
      const Grammar::Step& step = grammar_->steps()[nodes_[s].step];
      if (byte >= step.low && byte <= step.high) expand(push(nodes_[s].below, nodes_[s].step + 1), to);
    }
  }

 private:
  struct Node {
    std::uint32_t below = 0, step = 0;
  };
  static constexpr std::size_t most_stacks = 4096;

  /// The stack with `step` on top of `below`; the same number whenever it is the same stack.
  std::uint32_t push(std::uint32_t below, std::uint32_t step) {
    const auto [at, added] = known_.try_emplace(std::pair(below, step), static_cast<std::uint32_t>(nodes_.size()));
    if (added) nodes_.push_back({below, step});
    return at->second;
  }
  /// Adds to `out` all stacks that stack s comes to without reading: their tops want bytes. No rule is its own first
  /// part, so this ends.
  void expand(std::uint32_t s, Stacks& out) {
    if (s != 0) {
      const Node node = nodes_[s];
      const Grammar::Step& step = grammar_->steps()[node.step];
      switch (step.kind) {
        case Grammar::Step::call: {
          // A rule's last call leaves nothing behind: recursion at the end costs no stack.
          const bool last = grammar_->steps()[node.step + 1].kind == Grammar::Step::end;
          return expand(push(last ? node.below : push(node.below, node.step + 1), step.to), out);
        }
        case Grammar::Step::fork:
          expand(push(node.below, node.step + 1), out);
          return expand(push(node.below, step.to), out);
        case Grammar::Step::jump:
          return expand(push(node.below, step.to), out);
        case Grammar::Step::end:
          return expand(node.below, out);
        default:
          break;
      }
    }
    for (const std::uint32_t known : out) {
      if (known == s) return;
    }
    if (out.size() == most_stacks)
      throw argument_error("grammar: more than 4096 ways to read the text so far; make the grammar less ambiguous");
    out.push_back(s);
  }

  std::shared_ptr<const Grammar> grammar_;
  std::vector<Node> nodes_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> known_;
  Stacks now_;
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
  struct Range {
    std::uint32_t low, high;  // code points
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
      if (nullable(part, begin)) fail("a repeated part that is never empty", "one that may be");
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
  /// A part that may read nothing by itself (calls count as reading; those are looked at in the end).
  static bool nullable(const std::vector<Step>& part, std::uint32_t base) {
    std::vector<bool> seen(part.size() + 1, false);
    std::vector<std::size_t> open = {0};
    while (!open.empty()) {
      const std::size_t i = open.back();
      open.pop_back();
      if (i >= part.size()) return true;
      if (seen[i]) continue;
      seen[i] = true;
      if (part[i].kind == Step::fork) open.push_back(i + 1);
      if (part[i].kind == Step::fork || part[i].kind == Step::jump) open.push_back(part[i].to - base);
    }
    return false;
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
    const bool inverted = at_ < text_.size() && text_[at_] == '^';
    if (inverted) ++at_;
    std::vector<Range> wanted;
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
    for (std::size_t i = 1; i < wanted.size(); ++i) {  // few: by insertion
      for (std::size_t j = i; j > 0 && wanted[j].low < wanted[j - 1].low; --j) std::swap(wanted[j], wanted[j - 1]);
    }
    std::vector<Range> merged;
    for (const Range& r : wanted) {
      if (!merged.empty() && r.low <= merged.back().high + 1)
        merged.back().high = r.high > merged.back().high ? r.high : merged.back().high;
      else
        merged.push_back(r);
    }
    if (inverted) {
      std::vector<Range> rest;
      std::uint32_t next = 0;
      for (const Range& r : merged) {
        if (r.low > next) rest.push_back({next, r.low - 1});
        next = r.high + 1;
      }
      if (next <= 0x10FFFF) rest.push_back({next, 0x10FFFF});
      merged = rest;
    }
    if (merged.empty()) fail("a class with a character", "an empty one");
    ranges(merged);
  }

  /// One character of these ranges, as alternatives of byte sequences whose bytes each have a range of their own.
  void ranges(const std::vector<Range>& wanted) {
    struct Path {
      std::uint8_t low[4], high[4];
      int length;
    };
    std::vector<Path> paths;
    const auto add = [&](const auto& self, std::uint32_t low, std::uint32_t high) -> void {
      constexpr std::uint32_t last[] = {0x7F, 0x7FF, 0xD7FF, 0xFFFF, 0x10FFFF};
      for (const std::uint32_t l : last) {
        if (low <= l && high > l) {
          self(self, low, l);
          return self(self, l + 1, high);
        }
      }
      if (high >= 0xD800 && low <= 0xDFFF) {  // surrogates are no characters
        if (high > 0xDFFF) self(self, 0xE000, high);
        return;
      }
      for (int i = 1; i < 4; ++i) {  // all that follows a differing byte must cover its whole range
        const std::uint32_t mask = (1U << (6 * i)) - 1;
        if (low < 0x80 || (low & ~mask) == (high & ~mask)) continue;
        if ((low & mask) != 0) {
          self(self, low, low | mask);
          return self(self, (low | mask) + 1, high);
        }
        if ((high & mask) != mask) {
          self(self, low, (high & ~mask) - 1);
          return self(self, high & ~mask, high);
        }
      }
      std::string a, b;
      append_utf8(a, low);
      append_utf8(b, high);
      Path p{{}, {}, static_cast<int>(a.size())};
      for (std::size_t i = 0; i < a.size(); ++i) {
        p.low[i] = static_cast<std::uint8_t>(a[i]);
        p.high[i] = static_cast<std::uint8_t>(b[i]);
      }
      paths.push_back(p);
    };
    for (const Range& r : wanted) add(add, r.low, r.high);
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

  /// A walk from every rule's start over what can be reached without reading a byte must not come back to it; nor may a
  /// loop go round without reading.
  void check_left_recursion() {
    const std::size_t n = g_.steps_.size();
    std::vector<bool> empty(rules_.size(), false);  // rules that may read nothing
    const auto reach = [&](std::uint32_t from, const auto& see) {
      std::vector<bool> seen(n, false);
      std::vector<std::uint32_t> open = {from};
      while (!open.empty()) {
        const std::uint32_t i = open.back();
        open.pop_back();
        if (seen[i]) continue;
        seen[i] = true;
        const Step& s = g_.steps_[i];
        see(i, s);
        if (s.kind == Step::fork || (s.kind == Step::call && empty[s.to])) open.push_back(i + 1);
        if (s.kind == Step::fork || s.kind == Step::jump) open.push_back(s.to);
      }
    };
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t r = 0; r < rules_.size(); ++r) {
        if (empty[r]) continue;
        reach(rules_[r].start, [&](std::uint32_t, const Step& s) {
          if (s.kind == Step::end) empty[r] = changed = true;
        });
      }
    }
    for (std::uint32_t i = 0; i < n; ++i) {  // loops: a jump back, from where its own fork can be reached unread
      const Step& s = g_.steps_[i];
      if (s.kind != Step::jump || s.to > i) continue;
      reach(s.to + 1, [&](std::uint32_t at, const Step&) {
        if (at == i) fail("a repeated part that is never empty", "one whose rules may be");
      });
    }
    std::vector<std::vector<bool>> first(rules_.size(), std::vector<bool>(rules_.size(), false));
    if (rules_.size() > 4096) fail("at most 4096 rules", std::to_string(rules_.size()));
    for (std::size_t r = 0; r < rules_.size(); ++r) {
      reach(rules_[r].start, [&](std::uint32_t, const Step& s) {
        if (s.kind == Step::call) first[r][s.to] = true;
      });
    }
    for (std::size_t r = 0; r < rules_.size(); ++r) {
      std::vector<bool> seen(rules_.size(), false);
      std::vector<std::size_t> open;
      const auto visit = [&](std::size_t from) {
        for (std::size_t t = 0; t < rules_.size(); ++t) {
          if (first[from][t] && !seen[t]) {
            seen[t] = true;
            open.push_back(t);
          }
        }
      };
      visit(r);
      while (!open.empty()) {
        const std::size_t t = open.back();
        open.pop_back();
        visit(t);
      }
      if (!seen[r]) continue;
      for (const auto& [rule, id] : ids_) {
        if (id == r) fail("a rule that does not begin with itself", "left recursion in " + rule);
      }
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
