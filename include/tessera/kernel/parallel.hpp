// parallel_for: cuts [0, count) into blocks of `grain`, the same ones whatever the number of threads, and runs them
// on the process's workers (kernel/workers.hpp). A block should take 10 us or more: handing one over costs about 1
// us.
#pragma once

#include <tessera/core/index.hpp>
#include <tessera/kernel/isa.hpp>
#include <tessera/kernel/workers.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

/// A grain that cuts `count` things, each of which costs `each`, into blocks that cost about `block`: one size for all
/// but the last, which has what is left.
inline Index even_grain(Index count, Index each, Index block) {
  const Index blocks = count * each / block + 1;
  return count / blocks + (count % blocks > 0);
}

/// Calls body(begin, end) once for every block [k * grain, min((k + 1) * grain, count)), in any order and on any
/// thread; one block alone runs right here. Blocks never depend on the number of threads, so neither do results. Nested
/// calls run serially. An exception stops blocks that have not begun; that of the first block that failed reaches the
/// caller.
template <class Body>
void parallel_for(Index count, Index grain, const Body& body) {
  if (count <= 0) return;
  if (grain < 1) grain = 1;
  if (count <= grain) return static_cast<void>(body(Index{0}, count));
  const auto call = [&body](Index begin, Index end) { body(begin, end); };
  using Call = decltype(call);
  workers::run(
      count, grain, [](const void* self, Index begin, Index end) { (*static_cast<Call*>(self))(begin, end); }, &call);
}

}  // namespace tessera::inline TESSERA_ISA::kernel
