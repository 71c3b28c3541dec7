// Which unit comes next, given a logit for each: shared by tokens, pixels, samples and codes.
//
//   Chooser choose({.temperature = 0.8, .top_k = 40, .repetition = 1.1});
//   Unit next = choose(logits, history, noise.fork(step)).unit;
#pragma once

#include <tessera/generate/choice/candidates.hpp>
#include <tessera/generate/choice/chooser.hpp>
#include <tessera/generate/choice/penalties.hpp>
#include <tessera/generate/choice/truncation.hpp>
