// What compare.py asks of this side: a step of generation, its weights out of a file that both sides read, and what it
// computes, to be held against the other side's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <tessera/io/safetensors.hpp>
#include <vector>

namespace generation {

using namespace tessera;

struct Subject {
  /// Always the same, from the weights alone: logits, or a picture.
  std::function<Tensor<float>()> result;
  /// One step of what is timed.
  std::function<void()> step;
};

struct Entry {
  const char *name, *unit;
  double items;         // a step makes
  const char* fixture;  // subjects with the same one share a file
  std::function<void(Safetensors&)> save;
  std::function<Subject(const Safetensors&)> load;
};

/// The subjects of each file beside this one.
std::vector<Entry> gpts(), wavenets(), pictures(), latents();

}  // namespace generation
