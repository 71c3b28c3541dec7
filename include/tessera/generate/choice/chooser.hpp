// All rules of choice in one chain, in this order:
//
//   bias, only, ban, repetition and frequency and presence, no_repeat, dry       move logits (choice/penalties.hpp)
//   [temperature_first: temperature]
//   top_n_sigma, top_k, typical, top_p, min_p, xtc                                leave fewer units (choice/truncation.hpp)
//   temperature or dynamic temperature, [mirostat], draw
// Truncation before temperature is llama.cpp's order: what may come is then decided by what the model thinks, and temperature
// says how bold the draw among it is. Others (and OpenAI's API) scale first: temperature_first. What is switched off costs
// nothing. For another order chain the functions of the two files yourself: they are all there is.
#pragma once

#include <tessera/generate/choice/penalties.hpp>
#include <tessera/generate/choice/truncation.hpp>

namespace tessera::inline TESSERA_ISA {

/// Default: draw from the model's own distribution.
struct ChoiceOptions {
  double temperature = 1;  // 0: always the most probable (greedy)
  bool temperature_first = false;
  double dynamic_low = 0, dynamic_high = 0;  // dynamic_high > 0: temperature by entropy, between these
  double dynamic_exponent = 1;
  Index top_k = 0;         // 0: all
  double top_p = 1;        // 1: all
  double min_p = 0;        // 0: all
  double typical = 1;      // 1: all
  double top_n_sigma = 0;  // 0: all
  double xtc_chance = 0;   // 0: never
  double xtc_threshold = 0.1;
  double repetition = 1;               // 1: off; 1.1 is usual
  double frequency = 0, presence = 0;  // 0: off
  Index window = 64;                   // units the three above look back on; 0: all
  Index no_repeat = 0;                 // 0: off; n: no run of n units twice
  choice::Dry dry = {};
  double mirostat = 0;  // tau, the surprise aimed at, in bits; 0: off; 5 is usual
  double mirostat_rate = 0.1;
  std::vector<UnitBias> bias = {};
  std::vector<Unit> banned = {};
  std::vector<Unit> only = {};  // not empty: nothing else may come

  /// Throws argument_error for a value out of range.
  void check() const {
    const auto within = [](const char* name, double x, double low, double high) {
      if (!(x >= low && x <= high))
        throw argument_error(std::string("choice: ") + name + " is " + std::to_string(x) + ", wanted " +
                             std::to_string(low) + " to " + std::to_string(high));
    };
    within("temperature", temperature, 0, 1e4);
    within("dynamic_low", dynamic_low, 0, 1e4);
    within("dynamic_high", dynamic_high, dynamic_high == 0 ? 0 : dynamic_low, 1e4);
    within("dynamic_exponent", dynamic_exponent, 0, 100);
    within("top_k", static_cast<double>(top_k), 0, 1e9);
    within("top_p", top_p, 0, 1);
    within("min_p", min_p, 0, 1);
    within("typical", typical, 0, 1);
    within("top_n_sigma", top_n_sigma, 0, 1e4);
    within("xtc_chance", xtc_chance, 0, 1);
    within("xtc_threshold", xtc_threshold, 0, 1);
    within("repetition", repetition, 1e-3, 1e3);
    within("frequency", frequency, -100, 100);
    within("presence", presence, -100, 100);
    within("window", static_cast<double>(window), 0, 1e9);
    within("no_repeat", static_cast<double>(no_repeat), 0, 1e6);
    within("dry.multiplier", dry.multiplier, 0, 1e4);
    within("dry.base", dry.base, 1, 1e4);
    within("dry.allowed", static_cast<double>(dry.allowed), 0, 1e6);
    within("mirostat", mirostat, 0, 1e3);
    within("mirostat_rate", mirostat_rate, 0, 10);
  }
  bool greedy() const { return temperature == 0 && !(dynamic_high > 0) && !(mirostat > 0); }

  /// Every field with its name: how options are stored and shown.
  static void fields(auto& self, auto&& see) {
    see("temperature", self.temperature);
    see("temperature_first", self.temperature_first);
    see("dynamic_low", self.dynamic_low);
    see("dynamic_high", self.dynamic_high);
    see("dynamic_exponent", self.dynamic_exponent);
    see("top_k", self.top_k);
    see("top_p", self.top_p);
    see("min_p", self.min_p);
    see("typical", self.typical);
    see("top_n_sigma", self.top_n_sigma);
    see("xtc_chance", self.xtc_chance);
    see("xtc_threshold", self.xtc_threshold);
    see("repetition", self.repetition);
    see("frequency", self.frequency);
    see("presence", self.presence);
    see("window", self.window);
    see("no_repeat", self.no_repeat);
    see("dry.multiplier", self.dry.multiplier);
    see("dry.base", self.dry.base);
    see("dry.allowed", self.dry.allowed);
    see("dry.window", self.dry.window);
    see("dry.breakers", self.dry.breakers);
    see("mirostat", self.mirostat);
    see("mirostat_rate", self.mirostat_rate);
    see("bias", self.bias);
    see("banned", self.banned);
    see("only", self.only);
  }
};

/// What was chosen, and its log-probability in the distribution it was drawn from.
struct Chosen {
  Unit unit = 0;
  double log_probability = 0;
};

/// The chain, with the room it works in and the one number that some of it remembers (mirostat's mu). A value: copy it
/// with the sequence it chooses for.
class Chooser {
 public:
  Chooser() = default;
  /// Throws argument_error for options out of range.
  explicit Chooser(ChoiceOptions options) : options_(std::move(options)), mu_(2 * options_.mirostat) {
    options_.check();
  }

  const ChoiceOptions& options() const { return options_; }
  /// All that is to be stored between steps beside the options.
  double mu() const { return mu_; }
  void set_mu(double mu) { mu_ = mu; }

  /// The next unit. `history` is every unit so far; `noise` belongs to this step alone.
  Chosen operator()(std::span<const float> logits, std::span<const Unit> history, const Noise& noise) {
    Candidates& c = distribution(logits, history, noise);
    if (options_.mirostat > 0) choice::mirostat(c, mu_);
    const Index at = options_.greedy() ? c.best() : c.draw(noise, 0);
    const auto i = static_cast<std::size_t>(at);
    const double log_p = options_.greedy() ? 0.0 : std::log(static_cast<double>(c.probabilities()[i]));
    if (options_.mirostat > 0) mu_ -= options_.mirostat_rate * (-log_p / std::log(2.0) - options_.mirostat);
    return {c.units()[i], log_p};
  }

  /// What is drawn from: the units left and their probabilities, before mirostat's cut. Valid until the next call.
  Candidates& distribution(std::span<const float> logits, std::span<const Unit> history, const Noise& noise) {
    const ChoiceOptions& o = options_;
    const bool dry = o.dry.multiplier > 0, repeats = o.repetition != 1 || o.frequency != 0 || o.presence != 0;
    if (dry || repeats || o.no_repeat > 0 || !o.bias.empty() || !o.banned.empty() || !o.only.empty()) {
      logits_.assign(logits.begin(), logits.end());
      choice::bias(logits_, o.bias);
      if (!o.only.empty()) choice::only(logits_, o.only, room_);
      choice::ban(logits_, o.banned);
      if (repeats)
        choice::repeat(logits_, choice::recent(history, o.window), o.repetition, o.frequency, o.presence, counts_);
      if (o.no_repeat > 0) choice::no_repeat(logits_, history, o.no_repeat);
      if (dry) choice::dry(logits_, history, o.dry, runs_, counts_);
      candidates_.reset(logits_);
    } else {
      candidates_.reset(logits);
    }
    Candidates& c = candidates_;
    if (o.greedy()) {
      c.keep_greatest(1);
      return c;
    }
    const auto temper = [&] {
      if (o.dynamic_high > 0)
        choice::dynamic_temperature(c, o.dynamic_low, o.dynamic_high, o.dynamic_exponent);
      else if (o.temperature == 0)
        c.keep_greatest(1);
      else if (o.temperature != 1)
        choice::temperature(c, o.temperature);
    };
    if (o.temperature_first) temper();
    choice::top_n_sigma(c, o.top_n_sigma);
    choice::top_k(c, o.top_k);
    choice::typical(c, o.typical);
    choice::top_p(c, o.top_p);
    choice::min_p(c, o.min_p);
    if (o.xtc_chance > 0) choice::xtc(c, o.xtc_chance, o.xtc_threshold, noise.unit(1));
    if (!o.temperature_first) temper();
    return c;
  }

 private:
  ChoiceOptions options_;
  double mu_ = 0;
  std::vector<float> logits_, room_;
  std::vector<std::int32_t> counts_, runs_;
  Candidates candidates_;
};

}  // namespace tessera::inline TESSERA_ISA
