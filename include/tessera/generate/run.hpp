// What every family's generation looks like from outside.
//
// A Run is a generation in progress and a value: copy it to branch, keep it to go on later, throw it away to stop.
//   step()     one step; false when there was nothing left to do
//   done()     nothing left
//   total()    how many steps there are in all; at() how many are done
//   preview()  the object as it stands
//   finish()   the remaining steps, then the object
// A step is a unit for autoregressive models, a version for refinement, the whole object for one-shot models.
#pragma once

#include <concepts>
#include <tessera/core/index.hpp>
#include <tessera/core/noise.hpp>
#include <utility>

namespace tessera::inline TESSERA_ISA {

template <class R>
concept Run = std::copyable<R> && requires(R run, const R& seen) {
  { run.step() } -> std::same_as<bool>;
  { seen.done() } -> std::same_as<bool>;
  { seen.at() } -> std::convertible_to<Index>;
  { seen.total() } -> std::convertible_to<Index>;
  seen.preview();
  run.finish();
};

/// What a watcher says after a step.
enum class Advice { proceed, stop };

/// What a watcher sees after each step: steps count from 1 to `total`; preview() is computed only if called.
template <Run R>
class Progress {
 public:
  explicit Progress(const R& run) : run_(run) {}
  Index step() const { return run_.at(); }
  Index total() const { return run_.total(); }
  auto preview() const { return run_.preview(); }

 private:
  const R& run_;
};

/// A model whose `begin(condition, noise)` starts a Run.
template <class M, class Condition>
concept Generator = requires(const M& model, const Condition& condition, Noise noise) {
  { model.begin(condition, noise) } -> Run;
};

struct Unwatched {
  template <class P>
  Advice operator()(const P&) const {
    return Advice::proceed;
  }
};

/// The same for every family: begin, step to the end, hand over the object. `watch(progress)` sees each step and may
/// stop the run; stopping at step k returns the preview of step k.
template <class M, class Condition, class Watch = Unwatched>
requires Generator<M, Condition>
auto generate(const M& model, const Condition& condition, Noise noise, Watch&& watch = {}) {
  auto run = model.begin(condition, noise);
  using R = decltype(run);
  while (run.step()) {
    if (watch(Progress<R>(run)) == Advice::stop) return run.preview();
  }
  return run.finish();
}

}  // namespace tessera::inline TESSERA_ISA
