// Rules that leave fewer units to draw from, or make the draw bolder or safer. p are the probabilities of what is left so far.
//
//   temperature     logits / T                                     Ackley, Hinton and Sejnowski, 1985
//   dynamic         T by the entropy H of p: low + (high - low) (H / log n)^exponent      Kalomaze, 2023, llama.cpp pull request 4972
//   top_k           the k most probable                            Fan et al., 2018, arXiv 1805.04833
//   top_p           the fewest that have probability P together    Holtzman et al., 2019, arXiv 1904.09751
//   min_p           p >= m max p                                   Nguyen et al., 2024, arXiv 2407.01082
//   typical         those whose surprise -log p is nearest to H, until they have P together     Meister et al., 2022, arXiv 2202.00666
//   top_n_sigma     logit >= greatest - n deviations of the logits       Tang et al., 2024, arXiv 2411.07641
//   xtc             with a chance, all of p >= t but the least probable of them go: "exclude top choices"
//                                                                  p-e-w, 2024, text-generation-webui pull request 6335
//   mirostat        those of surprise -log2 p <= mu, where mu follows the surprise seen towards tau
//                                                                  Basu et al., 2020, arXiv 2007.14966 (version 2 is its authors' code)
#pragma once

#include <tessera/generate/choice/candidates.hpp>

namespace tessera::inline TESSERA_ISA::choice {

inline void temperature(Candidates& c, double t) {
  const float top = c.greatest_logit(), factor = static_cast<float>(1 / t);
  for (float& x : c.edit()) x = (x - top) * factor;  // the greatest is 0: no overflow however cold
}

/// Of p, in nats.
inline double entropy(Candidates& c) {
  double h = 0;
  for (const float p : c.probabilities()) h -= p > 0 ? static_cast<double>(p) * std::log(static_cast<double>(p)) : 0.0;
  return h;
}

inline void dynamic_temperature(Candidates& c, double low, double high, double exponent = 1) {
  if (c.size() < 2) return;
  const double share = entropy(c) / std::log(static_cast<double>(c.size()));
  const double t = low + (high - low) * std::pow(share < 1 ? share : 1, exponent);
  if (t > 0)
    temperature(c, t);
  else
    c.keep_greatest(1);
}

inline void top_k(Candidates& c, Index k) { c.keep_greatest(k); }

inline void top_p(Candidates& c, double mass) {
  if (!(mass < 1)) return;
  // Units this rare have less than 1 - mass together: never needed. Half of it leaves room for rounding.
  const double rare = 0.5 * (1 - mass) / static_cast<double>(c.size());
  c.keep_least(
      mass, [](Index, float p) { return -p; }, static_cast<float>(rare));
}

inline void min_p(Candidates& c, double share) {
  if (!(share > 0)) return;
  const float least = c.greatest_logit() + static_cast<float>(std::log(share));
  const auto x = c.logits();
  c.keep([x, least](Index i) { return x[static_cast<std::size_t>(i)] >= least; });
}

inline void typical(Candidates& c, double mass) {
  if (!(mass < 1)) return;
  const double h = entropy(c);
  c.keep_least(mass, [h](Index, float p) {
    return p > 0 ? static_cast<float>(std::abs(-std::log(static_cast<double>(p)) - h)) : INFINITY;
  });
}

inline void top_n_sigma(Candidates& c, double n) {
  if (!(n > 0)) return;
  double mean = 0, square = 0;
  const auto x = c.logits();
  const double count = static_cast<double>(c.size());
  for (const float v : x) mean += static_cast<double>(v) / count;
  for (const float v : x) square += (static_cast<double>(v) - mean) * (static_cast<double>(v) - mean) / count;
  const double least = static_cast<double>(c.greatest_logit()) - n * std::sqrt(square);
  c.keep([x, least](Index i) { return static_cast<double>(x[static_cast<std::size_t>(i)]) >= least; });
}

/// `coin` is uniform in [0, 1).
inline void xtc(Candidates& c, double chance, double threshold, double coin) {
  if (coin >= chance || !(threshold <= 0.5)) return;  // two cannot both have more than half
  const auto p = c.probabilities();
  const float t = static_cast<float>(threshold);
  std::size_t least = p.size(), count = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (p[i] < t) continue;
    ++count;
    if (least == p.size() || p[i] < p[least]) least = i;
  }
  if (count < 2) return;
  c.keep([p, t, least](Index i) {
    const auto at = static_cast<std::size_t>(i);
    return p[at] < t || at == least;
  });
}

/// Cuts by the surprise mu, in bits. After the draw: mu -= rate (surprise of what was drawn - tau).
inline void mirostat(Candidates& c, double mu) {
  const auto p = c.probabilities();
  const double least = std::exp2(-mu);
  c.keep([p, least](Index i) { return static_cast<double>(p[static_cast<std::size_t>(i)]) >= least; });
}

}  // namespace tessera::inline TESSERA_ISA::choice
