// Beam search: the likeliest continuations, by keeping the `width` best beginnings at every step.
//
//   score = log p(units) / penalty(n),  penalty(n) = ((5 + n) / 6)^alpha            Wu et al., 2016, arXiv 1609.08144
// It ends when `width` ended sequences are better than anything that could still come, or at the greatest length. Choice rules
// that move or cut logits (bans, no repeats, top-k, ...) apply to every beginning; nothing is drawn.
#pragma once

#include <tessera/generate/choice/chooser.hpp>
#include <tessera/generate/constraint.hpp>
#include <tessera/generate/next_unit.hpp>

namespace tessera::inline TESSERA_ISA {

struct BeamOptions {
  Index width = 4;
  Index length = 256;          // units at most
  double alpha = 0.6;          // 0: the sum of log-probabilities; 1: about their mean
  std::vector<Unit> end = {};  // units that end a sequence; they are its last
  ChoiceOptions choice = {};
};

struct Beam {
  std::vector<Unit> units;
  double log_probability = 0, score = 0;
  bool ended = false;  // by a unit of `end` or where the constraint lets it end, not by length
};

/// The best first; at most `width`. Of equals, the one of the better beginning and lower unit comes first. A beginning
/// after which the constraint allows nothing, not even an end, is dropped, unless all are such.
template <NextUnit M>
std::vector<Beam> beam_search(const M& model, const typename M::Condition& condition, const BeamOptions& o,
                              const Constraint& constraint = {}) {
  using State = typename M::State;
  if (o.width < 1 || o.length < 1 || !(o.alpha >= 0 && o.alpha <= 10))
    throw argument_error("beam_search: width " + std::to_string(o.width) + ", length " + std::to_string(o.length) +
                         " and alpha " + std::to_string(o.alpha) + "; wanted 1 or more, 1 or more, and 0 to 10");
  check_units("beam_search: end unit", o.end, model.vocabulary());
  struct Beginning {
    State state;
    Beam beam;
    Constraint constraint;
  };
  struct Step {
    double log_probability;
    std::size_t from;
    Unit unit;
  };
  const auto penalty = [&](std::size_t n) { return std::pow((5 + static_cast<double>(n)) / 6, o.alpha); };
  const auto finish = [&](Beam b, bool ended) {
    b.score = b.log_probability / penalty(b.units.size() > 0 ? b.units.size() : 1);
    b.ended = ended;
    return b;
  };
  const auto width = static_cast<std::size_t>(o.width);
  const auto insert = [&](std::vector<Beam>& into, Beam b) {
    std::size_t at = into.size();
    while (at > 0 && into[at - 1].score < b.score) --at;
    into.insert(into.begin() + static_cast<std::ptrdiff_t>(at), std::move(b));
    if (into.size() > width) into.pop_back();
  };
  const auto ends = [&](Unit u) {
    for (const Unit e : o.end) {
      if (e == u) return true;
    }
    return false;
  };

  Chooser chooser(o.choice);
  std::vector<Beginning> now;
  now.push_back({model.begin(condition), {}, constraint});
  std::vector<Beam> done, stuck;
  std::vector<Unit> history;
  std::vector<float> logits;
  std::size_t prompt = 0;
  if constexpr (std::is_same_v<typename M::Condition, std::vector<Unit>>) prompt = condition.size();
  for (Index n = 0; n < o.length && !now.empty(); ++n) {
    std::vector<Step> best;  // twice the width, as some may end
    for (std::size_t b = 0; b < now.size(); ++b) {
      Beginning& from = now[b];
      history.clear();
      if constexpr (std::is_same_v<typename M::Condition, std::vector<Unit>>) history = condition;
      history.resize(prompt);
      history.insert(history.end(), from.beam.units.begin(), from.beam.units.end());
      const auto raw = from.state.logits();
      logits.assign(raw.begin(), raw.end());
      if (from.constraint) {
        std::vector<float> kept;
        for (const Unit e : o.end) kept.push_back(logits[static_cast<std::size_t>(e)]);
        const bool may = from.constraint->may_end(), any = from.constraint->mask(logits);
        for (std::size_t i = 0; i < kept.size(); ++i)
          logits[static_cast<std::size_t>(o.end[i])] = may ? kept[i] : -INFINITY;
        if (!any && (!may || kept.empty())) {
          insert(may ? done : stuck, finish(from.beam, may));
          continue;
        }
      }
      Candidates& c = chooser.distribution(logits, history, Noise{0});
      // log p = logit - log sum exp, before all but the best are dropped
      float rest = 0;
      kernel::log_sum_exp<float>(1, c.size(), c.logits().data(), &rest);
      c.keep_greatest(2 * o.width);
      for (Index i = 0; i < c.size(); ++i) {
        const auto k = static_cast<std::size_t>(i);
        const double log_p = static_cast<double>(c.logits()[k]) - static_cast<double>(rest);
        const Step s{from.beam.log_probability + log_p, b, c.units()[k]};
        std::size_t at = best.size();
        while (at > 0 && best[at - 1].log_probability < s.log_probability) --at;
        if (at < 2 * width) best.insert(best.begin() + static_cast<std::ptrdiff_t>(at), s);
        if (best.size() > 2 * width) best.pop_back();
      }
    }
    std::vector<Beginning> next;
    for (const Step& s : best) {
      if (next.size() == width) break;
      Beam beam = now[s.from].beam;
      beam.units.push_back(s.unit);
      beam.log_probability = s.log_probability;
      if (ends(s.unit)) {
        insert(done, finish(std::move(beam), true));
        continue;
      }
      next.push_back({now[s.from].state, std::move(beam), now[s.from].constraint});
      if (next.back().constraint) next.back().constraint->accept(s.unit);
    }
    now = std::move(next);
    if (now.empty()) break;
    // Log-probabilities only fall; the most any beginning can still score is its own at the greatest length.
    const double most = now[0].beam.log_probability / penalty(static_cast<std::size_t>(o.length));
    if (done.size() == width && done.back().score >= most) {
      now.clear();
      break;
    }
    if (n + 1 == o.length) break;
    std::vector<State*> states;
    std::vector<Unit> units;
    for (Beginning& b : now) {
      states.push_back(&b.state);
      units.push_back(b.beam.units.back());
    }
    feed(model, std::span<State* const>(states), std::span<const Unit>(units));
  }
  for (Beginning& b : now) insert(done, finish(std::move(b.beam), false));
  return done.empty() ? stuck : done;
}

}  // namespace tessera::inline TESSERA_ISA
