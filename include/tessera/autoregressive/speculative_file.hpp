// A SpeculativeRun on disk: options, noise, the units so far and those that are judged but not yet handed out; not the
// caches, which both models build again from the units, bit for bit (as generate/sequence_file.hpp does).
//
//   write_speculation("run.safetensors", run);
//   auto again = read_speculation("run.safetensors", target, draft);
#pragma once

#include <tessera/autoregressive/speculative.hpp>
#include <tessera/generate/sequence_file.hpp>

namespace tessera::inline TESSERA_ISA {

/// Reads and writes what a run is made of. Its condition is units.
class SpeculativeFile {
 public:
  template <class Target, class Draft>
  static Safetensors store(const SpeculativeRun<Target, Draft>& run) {
    static_assert(std::is_same_v<typename Target::Condition, std::vector<Unit>>);
    const SpeculativeOptions& o = run.options_;
    Safetensors file;
    file.metadata = {
        {"format", format},
        {"options", detail::sequence_options_text({.length = o.length, .choice = o.choice, .end = o.end})}};
    file.put("units", Tensor<Unit>::from(Shape{static_cast<Index>(run.history_.size())}, run.history_));
    Tensor<std::int64_t> numbers(Shape{count});
    const std::int64_t values[count] = {static_cast<std::int64_t>(run.noise_.key()),
                                        static_cast<std::int64_t>(run.prompt_),
                                        static_cast<std::int64_t>(run.given_),
                                        o.ahead,
                                        run.round_,
                                        run.proposed_,
                                        run.kept_};
    std::copy(std::begin(values), std::end(values), numbers.data());
    file.put("numbers", numbers);
    return file;
  }

  template <class Target, class Draft>
  static SpeculativeRun<Target, Draft> restore(const Safetensors& file, Target target, Draft draft) {
    static_assert(std::is_same_v<typename Target::Condition, std::vector<Unit>>);
    const std::string name = file.source().empty() ? "speculation" : file.source();
    const auto text = [&](const char* key) {
      const auto found = file.metadata.find(key);
      if (found == file.metadata.end()) throw_io(name, key, "it in the metadata", "none");
      return found->second;
    };
    if (text("format") != format) throw_io(name, "format", quoted(format), quoted(text("format")));
    const SequenceOptions stored = detail::sequence_options(name, text("options"));
    const auto numbers = file.get<std::int64_t>("numbers");
    if (numbers.shape() != Shape{count})
      throw_io(name, "numbers", Shape{count}.to_string(), numbers.shape().to_string());
    const auto units = file.get<Unit>("units");
    if (units.rank() != 1) throw_io(name, "units", "a row of units", units.shape().to_string());
    for (const Unit u : units.span()) {
      if (u < 0 || u >= target.vocabulary())
        throw_io(name, "units", "units of this model's " + std::to_string(target.vocabulary()), std::to_string(u));
    }
    const Index all = units.size(), prompt = numbers[1], given = numbers[2], rounds = numbers[4];
    const auto within = [&](const char* field, Index value, Index low, Index high) {
      if (value < low || value > high)
        throw_io(name, field, std::to_string(low) + " to " + std::to_string(high), std::to_string(value));
    };
    within("prompt", prompt, 0, all);
    within("given", given, prompt, all);
    within("at", given - prompt, 0, stored.length);
    within("rounds", rounds, all > prompt ? 1 : 0, all - prompt);  // a round adds one unit at least
    within("proposed", numbers[5], 0, Index{1} << 53);
    within("kept", numbers[6], 0, numbers[5]);
    const std::vector<Unit> condition(units.data(), units.data() + prompt);
    SpeculativeRun<Target, Draft> run = [&] {
      try {
        return SpeculativeRun<Target, Draft>(
            std::move(target), std::move(draft), condition, Noise{static_cast<std::uint64_t>(numbers[0])},
            {.length = stored.length, .ahead = numbers[3], .choice = stored.choice, .end = stored.end});
      } catch (const argument_error& e) { throw io_error(printable(name, 400) + ": " + e.what()); }
    }();
    run.history_.assign(units.data(), units.data() + all);
    run.given_ = static_cast<std::size_t>(given);
    run.round_ = rounds;
    run.proposed_ = numbers[5];
    run.kept_ = numbers[6];
    if (rounds > 0 && !run.done()) {  // the last unit is read by the next round
      const auto seen =
          std::span<const Unit>(run.history_).subspan(run.prompt_).first(static_cast<std::size_t>(all - prompt - 1));
      feed(run.target_, run.state_, seen);
      feed(run.draft_, run.draft_state_, seen);
    }
    return run;
  }

 private:
  static constexpr const char* format = "tessera.speculation.1";
  static constexpr Index count = 7;  // noise, prompt, given, ahead, rounds, proposed, kept
};

/// Throws io_error.
template <class Target, class Draft>
void write_speculation(const std::string& path, const SpeculativeRun<Target, Draft>& run) {
  SpeculativeFile::store(run).write(path);
}
/// Goes on exactly where the run was. Throws io_error for a file that is not of such a run.
template <class Target, class Draft>
SpeculativeRun<Target, Draft> read_speculation(const std::string& path, const Target& target, const Draft& draft) {
  return SpeculativeFile::restore(Safetensors::read(path), target, draft);
}

}  // namespace tessera::inline TESSERA_ISA
