#include "examples/support/pitch.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include <tessera/unit/resample.hpp>

namespace tessera::examples {

namespace {

// Correlations are looked at in a slow copy of the sound: its lags are few, and what is high is no pitch.
constexpr Index slow_rate = 8000, shortest = 15, lags = 110, window = 160;  // 64.5 to 533 Hz
constexpr double least = 0.25, switching = 0.35, leaping = 3, high_first = 0.2;

struct Candidate {
  double period = 0;  // samples of the slow sound; 0: no voice
  double cost = 0;
};

/// Without what is slower than a voice: twice a high-pass of one pole at 70 Hz.
void cut_rumble(std::vector<float>& sound) {
  const float keep = std::exp(-2 * std::numbers::pi_v<float> * 70 / slow_rate);
  for (int pass = 0; pass < 2; ++pass) {
    float before = 0, out = 0;
    for (float& x : sound) {
      out = keep * (out + x - before);
      before = x;
      x = out;
    }
  }
}

/// r(shortest) ... r(shortest + lags - 1) from x onwards; x has window + shortest + lags samples.
std::array<float, lags> correlations(const float* x) {
  std::array<float, lags> r{};
  for (Index t = 0; t < window; ++t) {
    for (Index k = 0; k < lags; ++k) r[static_cast<std::size_t>(k)] += x[t] * x[t + shortest + k];
  }
  double here = 0, there = 0;
  for (Index t = 0; t < window; ++t) {
    here += static_cast<double>(x[t] * x[t]);
    there += static_cast<double>(x[t + shortest] * x[t + shortest]);
  }
  for (Index k = 0; k < lags; ++k) {
    float& value = r[static_cast<std::size_t>(k)];
    value = static_cast<float>(static_cast<double>(value) / std::sqrt(here * there + 1e-7));
    const float out = x[shortest + k], in = x[shortest + k + window];
    there = std::max(0.0, there + static_cast<double>(in * in) - static_cast<double>(out * out));
  }
  return r;
}

/// "No voice" first, then the maxima.
std::vector<Candidate> candidates_of(const std::array<float, lags>& r, bool loud) {
  std::vector<Candidate> found(1);
  double best = 0;
  for (std::size_t k = 1; k + 1 < r.size(); ++k) {
    const auto left = static_cast<double>(r[k - 1]), top = static_cast<double>(r[k]),
               right = static_cast<double>(r[k + 1]);
    if (top < least || top < left || top <= right) continue;
    const double bend = left - 2 * top + right, off = bend < 0 ? 0.5 * (left - right) / bend : 0;
    const double height = std::min(top - 0.25 * (left - right) * off, 1.0);
    const double period = static_cast<double>(k) + shortest + off;
    const double cost = 1 - height * (1 - high_first * period / (shortest + lags));
    found.push_back({.period = period, .cost = loud ? cost : cost + 1});
    best = std::max(best, height);
  }
  found[0].cost = best;
  return found;
}

double leap(const Candidate& a, const Candidate& b) {
  if (a.period == 0 || b.period == 0) return a.period == b.period ? 0 : switching;
  return leaping * std::fabs(std::log(a.period / b.period));
}

/// Each sample's angle when the pitch goes in lines from frame to frame, 0 at the beginning.
std::vector<double> summed(const Tensor<float>& hertz, const PitchOptions& o) {
  const Index frames = hertz.size();
  std::vector<double> angle(static_cast<std::size_t>(frames * o.hop));
  double sum = 0;
  for (std::size_t t = 0; t < angle.size(); ++t) {
    const double at = std::clamp((static_cast<double>(t) + 0.5) / static_cast<double>(o.hop) - 0.5, 0.0,
                                 static_cast<double>(frames - 1));
    const Index f = std::min(static_cast<Index>(at), std::max<Index>(frames - 2, 0)), g = std::min(f + 1, frames - 1);
    const double late = at - static_cast<double>(f);
    angle[t] = sum;
    sum += 2 * std::numbers::pi * ((1 - late) * static_cast<double>(hertz[f]) + late * static_cast<double>(hertz[g])) /
           static_cast<double>(o.rate);
  }
  return angle;
}

Tensor<double> every(Index step, const std::vector<double>& angle, const std::vector<double>& ahead, Index hop) {
  Tensor<double> turn(Shape{static_cast<Index>(angle.size()) / step});
  const auto last = static_cast<double>(ahead.size()) - 1;
  for (Index i = 0; i < turn.size(); ++i) {
    const Index t = i * step + step / 2;
    const double at = std::clamp(static_cast<double>(t) / static_cast<double>(hop) - 0.5, 0.0, last);
    const auto f = static_cast<std::size_t>(at), g = std::min(f + 1, ahead.size() - 1);
    const double late = at - static_cast<double>(f);
    turn.data()[i] = angle[static_cast<std::size_t>(t)] + (1 - late) * ahead[f] + late * ahead[g];
  }
  return turn;
}

}  // namespace

Tensor<float> track_pitch(const Tensor<float>& sound, const PitchOptions& o) {
  const Index frames = sound.size() / o.hop;
  Tensor<float> hertz(Shape{frames}, 0.0F);
  if (frames == 0) return hertz;
  const Tensor<float> slow = resample(sound, o.rate, slow_rate);
  constexpr Index margin = window + shortest + lags;
  std::vector<float> x(static_cast<std::size_t>(slow.size() + 2 * margin), 0.0F);
  std::copy_n(slow.data(), slow.size(), x.begin() + margin);
  cut_rumble(x);

  std::vector<std::vector<Candidate>> all(static_cast<std::size_t>(frames));
  std::vector<double> energy(all.size(), 0.0);
  const auto start_of = [&](Index f) {  // a usual period before the window's middle
    const double middle =
        (static_cast<double>(f) + 0.5) * static_cast<double>(o.hop) * slow_rate / static_cast<double>(o.rate);
    return std::min(static_cast<Index>(middle) + margin - window / 2 - 20, static_cast<Index>(x.size()) - margin);
  };
  for (Index f = 0; f < frames; ++f) {
    const float* from = x.data() + start_of(f);
    for (Index t = 0; t < window; ++t) energy[static_cast<std::size_t>(f)] += static_cast<double>(from[t] * from[t]);
  }
  const double loudest = *std::max_element(energy.begin(), energy.end());
  for (std::size_t f = 0; f < all.size(); ++f)
    all[f] = candidates_of(correlations(x.data() + start_of(static_cast<Index>(f))), energy[f] > 3e-5 * loudest);

  // The cheapest path; `from` leads back.
  std::vector<std::vector<std::size_t>> from(all.size());
  for (std::size_t f = 1; f < all.size(); ++f) {
    for (Candidate& here : all[f]) {
      std::size_t best = 0;
      double cost = 1e30;
      for (std::size_t i = 0; i < all[f - 1].size(); ++i) {
        const double sum = all[f - 1][i].cost + leap(all[f - 1][i], here);
        if (sum < cost) cost = sum, best = i;
      }
      here.cost += cost;
      from[f].push_back(best);
    }
  }
  const auto cheaper = [](const Candidate& a, const Candidate& b) { return a.cost < b.cost; };
  auto at =
      static_cast<std::size_t>(std::min_element(all.back().begin(), all.back().end(), cheaper) - all.back().begin());
  for (std::size_t f = all.size(); f-- > 0;) {
    const double period = all[f][at].period;
    hertz.data()[f] = period > 0 ? static_cast<float>(slow_rate / period) : 0;
    if (f > 0) at = from[f][at];
  }
  return hertz;
}

Tensor<float> bridged_pitch(const Tensor<float>& hertz, float usual) {
  Tensor<float> all = hertz.clone();
  float* to = all.data();
  Index before = -1;  // the last voiced frame
  for (Index f = 0; f <= hertz.size(); ++f) {
    if (f < hertz.size() && !(hertz[f] > 0)) continue;
    for (Index g = before + 1; g < f; ++g) {
      const bool left = before >= 0, right = f < hertz.size();
      const double part = left && right ? static_cast<double>(g - before) / static_cast<double>(f - before) : 0;
      const float a = left ? hertz[before] : right ? hertz[f] : usual, b = right ? hertz[f] : a;
      to[g] = static_cast<float>(static_cast<double>(a) * std::pow(static_cast<double>(b / a), part));
    }
    before = f;
  }
  return all;
}

Tensor<double> fundamental_turn(const Tensor<float>& bridged, Index step, const PitchOptions& o) {
  if (bridged.size() == 0) return Tensor<double>(Shape{0});
  return every(step, summed(bridged, o), std::vector<double>(static_cast<std::size_t>(bridged.size()), 0.0), o.hop);
}

Tensor<double> fundamental_turn(const Tensor<float>& sound, const Tensor<float>& bridged, const Tensor<float>& hertz,
                                Index step, const PitchOptions& o) {
  if (bridged.size() == 0) return Tensor<double>(Shape{0});
  const std::vector<double> angle = summed(bridged, o);
  std::vector<double> real(angle.size(), 0.0), imaginary(angle.size(), 0.0);
  for (std::size_t t = 0; t < angle.size(); ++t) {
    const double x = static_cast<Index>(t) < sound.size() ? static_cast<double>(sound[static_cast<Index>(t)]) : 0;
    real[t] = x * std::cos(angle[t]);
    imaginary[t] = -x * std::sin(angle[t]);
  }
  // How far the sound is ahead of the summed pitch: found where there is a voice, kept where there is none.
  std::vector<double> ahead(static_cast<std::size_t>(bridged.size()), 0.0);
  constexpr double turn = 2 * std::numbers::pi;
  bool first = true;
  for (std::size_t f = 0; f < ahead.size(); ++f) {
    if (f > 0) ahead[f] = ahead[f - 1];
    const auto pitch = static_cast<double>(bridged[static_cast<Index>(f)]);
    if (!(hertz[static_cast<Index>(f)] > 0)) continue;
    const auto middle = static_cast<Index>(f) * o.hop + o.hop / 2;
    const auto half = static_cast<Index>(2 * static_cast<double>(o.rate) / pitch);
    double a = 0, b = 0;
    for (Index t = std::max<Index>(middle - half, 0); t <= middle + half; ++t) {
      if (t >= static_cast<Index>(angle.size())) break;
      const double weight =
          1 + std::cos(std::numbers::pi * static_cast<double>(t - middle) / static_cast<double>(half + 1));
      a += weight * real[static_cast<std::size_t>(t)];
      b += weight * imaginary[static_cast<std::size_t>(t)];
    }
    const double found = std::atan2(b, a);
    ahead[f] = first ? found : found + turn * std::round((ahead[f] - found) / turn);
    if (first) std::fill_n(ahead.begin(), f, found);
    first = false;
  }
  return every(step, angle, ahead, o.hop);
}

Tensor<float> frame_loudness(const Tensor<float>& sound, const PitchOptions& o) {
  const Index frames = sound.size() / o.hop, half = o.rate / 100;
  Tensor<float> loudness(Shape{frames});
  for (Index f = 0; f < frames; ++f) {
    const Index middle = f * o.hop + o.hop / 2;
    double sum = 1e-30, weights = 0;
    for (Index t = middle - half; t < middle + half; ++t) {
      const double weight =
          1 + std::cos(std::numbers::pi * (static_cast<double>(t - middle) + 0.5) / static_cast<double>(half));
      weights += weight;
      if (t < 0 || t >= sound.size()) continue;
      sum += weight * static_cast<double>(sound[t]) * static_cast<double>(sound[t]);
    }
    loudness.data()[f] = static_cast<float>(std::max(10 * std::log10(sum / weights), -70.0));
  }
  return loudness;
}

}  // namespace tessera::examples
