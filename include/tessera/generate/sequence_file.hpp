// A SequenceRun on disk: options, noises and the units so far; not the caches, which the model builds again from the units, bit
// for bit. So the file is small and outlives a change of the cache.
//
//   write_sequence("run.safetensors", run);
//   auto again = read_sequence("run.safetensors", model);           // conditions that are units are in the file
#pragma once

#include <cstdio>
#include <tessera/generate/sequence.hpp>
#include <tessera/io/json.hpp>
#include <tessera/io/safetensors.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {

inline Json json_of(double x) { return x; }
inline Json json_of(Index x) { return x; }
inline Json json_of(bool x) { return x; }
inline Json json_of(const std::vector<Unit>& units) { return Json::Array(units.begin(), units.end()); }
inline Json json_of(const std::vector<UnitBias>& biases) {
  Json j{Json::Array{}};
  for (const UnitBias& b : biases) {
    const double amount = static_cast<double>(b.bias);
    Json pair{Json::Array{}};  // JSON has no infinity
    j.push(pair.push(b.unit).push(amount < -1e30 ? -1e30 : amount > 1e30 ? 1e30 : amount));
  }
  return j;
}
inline Unit unit_from(const Json& j, std::string_view field) {
  const auto x = j.as<std::int64_t>(field);
  if (x < -1 || x > 0x7FFFFFFF) throw_io("sequence", field, "a unit", std::to_string(x));
  return static_cast<Unit>(x);
}
inline void from_json(const Json& j, std::string_view field, double& x) { x = j.as<double>(field); }
inline void from_json(const Json& j, std::string_view field, Index& x) { x = j.as<std::int64_t>(field); }
inline void from_json(const Json& j, std::string_view field, bool& x) { x = j.as<bool>(field); }
inline void from_json(const Json& j, std::string_view field, std::vector<Unit>& units) {
  units.clear();
  for (const Json& u : j.elements()) units.push_back(unit_from(u, field));
}
inline void from_json(const Json& j, std::string_view field, std::vector<UnitBias>& biases) {
  biases.clear();
  for (const Json& b : j.elements()) {
    if (b.elements().size() != 2) throw_io("sequence", field, "pairs of a unit and a number", "something else");
    const double amount = b.elements()[1].as<double>(field);
    biases.push_back({unit_from(b.elements()[0], field), amount <= -1e30 ? -INFINITY : static_cast<float>(amount)});
  }
}

inline std::string sequence_options_text(const SequenceOptions& o) {
  Json j = Json::object(), choice = Json::object();
  ChoiceOptions::fields(o.choice, [&](const char* name, const auto& x) { choice.set(name, json_of(x)); });
  j.set("length", o.length).set("end", json_of(o.end)).set("forced", json_of(o.forced)).set("guidance", o.guidance);
  j.set("choice", choice);
  return j.dump();
}
inline SequenceOptions sequence_options(const std::string& file, const std::string& text) {
  const Json j = Json::parse(text, file + ": options");
  SequenceOptions o;
  from_json(j.at("length"), "length", o.length);
  from_json(j.at("end"), "end", o.end);
  from_json(j.at("forced"), "forced", o.forced);
  from_json(j.at("guidance"), "guidance", o.guidance);
  const Json& choice = j.at("choice");
  ChoiceOptions::fields(o.choice, [&](const char* name, auto& x) { from_json(choice.at(name), name, x); });
  return o;
}

}  // namespace detail

/// Reads and writes what a run is made of.
template <class M>
class SequenceFile {
 public:
  using Condition = typename M::Condition;
  static constexpr bool stores_conditions = std::is_same_v<Condition, std::vector<Unit>>;

  static Safetensors store(const SequenceRun<M>& run) {
    Safetensors file;
    file.metadata = {{"format", format},
                     {"options", detail::sequence_options_text(run.options_)},
                     {"at", std::to_string(run.at_)},
                     {"single", run.single_ ? "1" : "0"}};
    const Index n = run.count();
    Tensor<std::int64_t> noises(Shape{n}), ended(Shape{n});
    Tensor<double> mu(Shape{n}), log_probability(Shape{n});
    for (Index i = 0; i < n; ++i) {
      const auto& s = run.each_[static_cast<std::size_t>(i)];
      noises.data()[i] = static_cast<std::int64_t>(s.noise.key());
      ended.data()[i] = s.ended;
      mu.data()[i] = s.chooser.mu();
      log_probability.data()[i] = s.log_probability;
      const auto history = std::span<const Unit>(s.history);
      put_units(file, "prompt." + std::to_string(i), history.first(s.prompt));
      put_units(file, "units." + std::to_string(i), history.subspan(s.prompt));
    }
    file.put("noises", noises);
    file.put("ended", ended);
    file.put("mu", mu);
    file.put("log_probability", log_probability);
    return file;
  }

  /// Conditions are needed where they are not units. The constraint is as it was at the start: it sees the units again.
  static SequenceRun<M> restore(const Safetensors& file, M model, std::span<const Condition> conditions,
                                std::span<const Condition> without, const Constraint& constraint) {
    const std::string name = file.source().empty() ? "sequence" : file.source();
    const auto text = [&](const char* key) {
      const auto found = file.metadata.find(key);
      if (found == file.metadata.end()) throw_io(name, key, "it in the metadata", "none");
      return found->second;
    };
    if (text("format") != format) throw_io(name, "format", quoted(format), quoted(text("format")));
    const auto noises = file.get<std::int64_t>("noises"), ended = file.get<std::int64_t>("ended");
    const auto mu = file.get<double>("mu"), log_probability = file.get<double>("log_probability");
    const Index n = noises.size();
    for (const char* key : {"ended", "mu", "log_probability"}) {
      if (file.shape(key) != Shape{n}) throw_io(name, key, Shape{n}.to_string(), file.shape(key).to_string());
    }
    SequenceOptions options = detail::sequence_options(name, text("options"));
    long long at = -1;
    if (std::sscanf(text("at").c_str(), "%18lld", &at) != 1 || at < 0 || at > options.length)
      throw_io(name, "at", "0 to " + std::to_string(options.length), quoted(text("at"), 40));
    std::vector<Condition> stored;
    if constexpr (stores_conditions) {
      if (conditions.empty()) {
        for (Index i = 0; i < n; ++i)
          stored.push_back(get_units(file, name, "prompt." + std::to_string(i), model.vocabulary()));
        conditions = stored;
      }
    }
    if (static_cast<Index>(conditions.size()) != n)
      throw_io(name, "noises", "one for each of " + std::to_string(conditions.size()) + " conditions",
               std::to_string(n));
    std::vector<Noise> keys;
    for (Index i = 0; i < n; ++i) keys.push_back(Noise{static_cast<std::uint64_t>(noises[i])});
    SequenceRun<M> run = [&] {
      try {
        return SequenceRun<M>(std::move(model), conditions, keys, std::move(options), without, constraint);
      } catch (const argument_error& e) { throw io_error(printable(name, 400) + ": " + e.what()); }
    }();
    run.at_ = at;
    run.single_ = text("single") == "1" && n == 1;
    for (Index i = 0; i < n; ++i) {
      auto& s = run.each_[static_cast<std::size_t>(i)];
      const std::vector<Unit> units = get_units(file, name, "units." + std::to_string(i), run.model_.vocabulary());
      s.ended = ended[i] != 0;
      if (static_cast<Index>(units.size()) > at || (!s.ended && static_cast<Index>(units.size()) != at))
        throw_io(name, "units." + std::to_string(i), std::to_string(at) + " units", std::to_string(units.size()));
      for (const Unit u : units) {
        if (!s.constraint || (s.ended && &u == &units.back())) continue;
        try {
          s.constraint->accept(u);
        } catch (const argument_error& e) {
          throw io_error(printable(name, 400) + ": units." + std::to_string(i) + ": " + e.what());
        }
      }
      s.history.insert(s.history.end(), units.begin(), units.end());
      s.chooser.set_mu(mu[i]);
      s.log_probability = log_probability[i];
      if (s.ended || units.empty()) continue;
      const auto seen = std::span<const Unit>(units).first(units.size() - 1);  // the last is read by the next step
      feed(run.model_, s.state, seen);
      if (s.without) feed(run.model_, *s.without, seen);
    }
    return run;
  }

 private:
  static constexpr const char* format = "tessera.sequence.1";

  static void put_units(Safetensors& file, const std::string& name, std::span<const Unit> units) {
    file.put(name, Tensor<Unit>::from(Shape{static_cast<Index>(units.size())}, units));
  }
  static std::vector<Unit> get_units(const Safetensors& file, const std::string& source, const std::string& name,
                                     Index vocabulary) {
    const auto units = file.get<Unit>(name);
    if (units.rank() != 1) throw_io(source, name, "a row of units", units.shape().to_string());
    for (const Unit u : units.span()) {
      if (u < 0 || u >= vocabulary)
        throw_io(source, name, "units of this model's " + std::to_string(vocabulary), std::to_string(u));
    }
    return {units.data(), units.data() + units.size()};
  }
};

/// Throws io_error.
template <NextUnit M>
void write_sequence(const std::string& path, const SequenceRun<M>& run) {
  SequenceFile<M>::store(run).write(path);
}
/// Goes on exactly where the run was. Throws io_error for a file that is not of such a run.
template <NextUnit M>
SequenceRun<M> read_sequence(const std::string& path, const M& model,
                             std::span<const typename M::Condition> conditions = {},
                             std::span<const typename M::Condition> without = {}, const Constraint& constraint = {}) {
  return SequenceFile<M>::restore(Safetensors::read(path), model, conditions, without, constraint);
}

}  // namespace tessera::inline TESSERA_ISA
