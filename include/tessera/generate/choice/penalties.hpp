// Rules that move logits by what has come before. Each works in place on one logit a unit; `history` is every unit so far,
// oldest first. -inf is a unit that may not come.
//
//   bias         logit += b for the units named                                         OpenAI's API, `logit_bias`
//   repetition   logit / f where it is positive, logit f elsewhere, for units that came     Keskar et al., 2019, arXiv 1909.05858
//   frequency    logit -= a count, and presence: logit -= b, for units that came `count` times      OpenAI's API
//   no_repeat    -inf for what would repeat a run of n units                            Paulus et al., 2017, arXiv 1705.04304
//   dry          "don't repeat yourself": logit -= m b^(L - l) for the unit that would make a run of L units, which came before,
//                one longer, where L >= l; runs end at breakers                p-e-w, 2024, text-generation-webui, pull request 5677
#pragma once

#include <tessera/generate/choice/candidates.hpp>

namespace tessera::inline TESSERA_ISA {

/// A unit and what is added to its logit; -inf bans it.
struct UnitBias {
  Unit unit = 0;
  float bias = 0;
};

namespace choice {

namespace detail {
inline std::size_t checked(const char* rule, Unit unit, std::size_t count) {
  if (unit < 0 || static_cast<std::size_t>(unit) >= count)
    throw argument_error(std::string("choice: ") + rule + " names unit " + std::to_string(unit) + ", there are " +
                         std::to_string(count));
  return static_cast<std::size_t>(unit);
}
}  // namespace detail

/// The last n units; 0: all.
inline std::span<const Unit> recent(std::span<const Unit> history, Index n) {
  const auto count = static_cast<std::size_t>(n);
  return n > 0 && history.size() > count ? history.last(count) : history;
}

inline void bias(std::span<float> logits, std::span<const UnitBias> biases) {
  for (const UnitBias& b : biases) logits[detail::checked("bias", b.unit, logits.size())] += b.bias;
}
inline void ban(std::span<float> logits, std::span<const Unit> units) {
  for (const Unit u : units) logits[detail::checked("ban", u, logits.size())] = -INFINITY;
}
/// Bans all but these.
inline void only(std::span<float> logits, std::span<const Unit> units, std::vector<float>& room) {
  room.clear();
  for (const Unit u : units) room.push_back(logits[detail::checked("only", u, logits.size())]);
  for (float& x : logits) x = -INFINITY;
  for (std::size_t i = 0; i < units.size(); ++i) logits[static_cast<std::size_t>(units[i])] = room[i];
}

/// `counts` is room that is kept between calls: all zero before and after. Units outside the vocabulary (a prompt's
/// special ones) do not count.
inline void repeat(std::span<float> logits, std::span<const Unit> history, double factor, double frequency,
                   double presence, std::vector<std::int32_t>& counts) {
  if (counts.size() < logits.size()) counts.resize(logits.size(), 0);
  const auto known = [&](Unit u) { return u >= 0 && static_cast<std::size_t>(u) < logits.size(); };
  for (const Unit u : history) {
    if (known(u)) ++counts[static_cast<std::size_t>(u)];
  }
  for (const Unit u : history) {
    if (!known(u)) continue;
    const auto i = static_cast<std::size_t>(u);
    const auto count = static_cast<double>(std::exchange(counts[i], 0));
    if (count == 0 || !(logits[i] > -INFINITY)) continue;
    const double x = static_cast<double>(logits[i]);
    logits[i] = static_cast<float>((x > 0 ? x / factor : x * factor) - frequency * count - presence);
  }
}

/// n = 2: no pair of units comes twice. n = 1: no unit does.
inline void no_repeat(std::span<float> logits, std::span<const Unit> history, Index n) {
  const auto tail = static_cast<std::size_t>(n - 1);
  if (n < 1 || history.size() < tail + 1) return;
  const auto last = history.last(tail);
  for (std::size_t i = 0; i + tail < history.size(); ++i) {
    bool same = true;
    for (std::size_t k = 0; same && k < tail; ++k) same = history[i + k] == last[k];
    const Unit next = history[i + tail];
    if (same && next >= 0 && static_cast<std::size_t>(next) < logits.size())
      logits[static_cast<std::size_t>(next)] = -INFINITY;
  }
}

struct Dry {
  double multiplier = 0;            // 0: off; 0.8 is usual
  double base = 1.75;               // growth with every unit more
  Index allowed = 2;                // runs of up to this many units may repeat
  Index window = 0;                 // units looked back on; 0: all
  std::vector<Unit> breakers = {};  // units (line ends, quotes) across which no run is followed
};

/// Linear in the history: run[i], the length of the run that ends at i and at the history's end, is the Z function of
/// the history backwards (Gusfield, 1997). `runs` is room kept between calls, and so is `counts`, all zero before and
/// after.
inline void dry(std::span<float> logits, std::span<const Unit> all, const Dry& o, std::vector<std::int32_t>& runs,
                std::vector<std::int32_t>& counts) {
  const auto history = recent(all, o.window);
  const std::size_t n = history.size();
  if (!(o.multiplier > 0) || n < 2) return;
  std::size_t longest = 0;  // a run reaches back to the last breaker at most
  const auto breaks = [&](Unit u) {
    for (const Unit b : o.breakers) {
      if (b == u) return true;
    }
    return false;
  };
  while (longest < n && !breaks(history[n - 1 - longest])) ++longest;
  if (longest == 0) return;

  const auto back = [&](std::size_t i) { return history[n - 1 - i]; };
  if (runs.size() < n) runs.resize(n);
  for (std::size_t i = 1, left = 0, right = 0; i < n; ++i) {
    std::size_t z = 0;
    if (i < right) {
      const auto mirrored = static_cast<std::size_t>(runs[i - left]);
      z = mirrored < right - i ? mirrored : right - i;
    }
    while (i + z < n && back(z) == back(i + z)) ++z;
    if (i + z > right) left = i, right = i + z;
    runs[i] = static_cast<std::int32_t>(z);
  }
  // The longest run that each next unit would go on with, then its penalty, once.
  if (counts.size() < logits.size()) counts.resize(logits.size(), 0);
  const auto least = static_cast<std::size_t>(o.allowed > 1 ? o.allowed : 1);
  const auto each = [&](const auto& see) {
    for (std::size_t i = 1; i < n; ++i) {
      const auto z = static_cast<std::size_t>(runs[i]), run = z < longest ? z : longest;
      const Unit next = back(i - 1);
      if (run >= least && next >= 0 && static_cast<std::size_t>(next) < logits.size())
        see(static_cast<std::size_t>(next), static_cast<std::int32_t>(run));
    }
  };
  each([&](std::size_t next, std::int32_t run) { counts[next] = run > counts[next] ? run : counts[next]; });
  each([&](std::size_t next, std::int32_t) {
    const auto run = std::exchange(counts[next], 0);
    if (run == 0) return;
    const double p = o.multiplier * std::pow(o.base, static_cast<double>(run - o.allowed));
    logits[next] -= static_cast<float>(p < 1e30 ? p : 1e30);
  });
}

}  // namespace choice

}  // namespace tessera::inline TESSERA_ISA
