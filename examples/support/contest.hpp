// What examples/compare is about: pictures to learn from and what each is asked for by, a class or a sentence; what the
// models are asked to draw in the end, and the judge of it. One file a contest, support/contest_NAME.cpp; who takes
// part stands in support/contestant.hpp.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <tessera/core/noise.hpp>

#include "examples/support/contact_sheet.hpp"

namespace tessera::examples {

struct Family;

/// Pictures of bytes [N, H, W, C], and the condition of each.
struct Captioned {
  Tensor<std::uint8_t> pictures;
  Tensor<std::int32_t> conditions;  // labels [N], or tokens [N, T] with 0 for padding
};

struct Contest {
  double seconds = 60;  // of processor time to learn in
  std::uint64_t seed = 1;

  Tensor<std::uint8_t> train;  // [N, H, W, C]
  bool text = false;           // conditions are tokens, else labels
  Index conditions = 0;        // classes, or words of the vocabulary
  Captioned tested;            // unseen: what the likelihood is taken over

  Tensor<std::int32_t> asked;         // what every model draws in the end
  Tensor<float> shown;                // the first row of the sheet: true pictures for as many of `asked`, in [-1, 1]
  std::vector<std::string> captions;  // of that row
  SheetOptions sheet;
  std::string perfect_name;  // of the line that says what true pictures get

  virtual ~Contest() = default;

  /// The conditions of items of `train`, drawn where there are several ways to say it.
  virtual Tensor<std::int32_t> conditions_of(const Tensor<Index>& items, const Noise& noise) const = 0;
  virtual std::vector<Family> families() const = 0;

  /// The columns of the table that are the judge's own: their heads, what the pictures drawn for `asked` get, and what
  /// true ones do.
  virtual std::string heads() const = 0;
  virtual std::string score(const Tensor<float>& pictures) const = 0;
  virtual std::string perfect() const = 0;
};

struct ContestOptions {
  double minutes = 5;
  Index count = 1000;  // pictures that are scored
  std::uint64_t seed = 1;
  std::string classifier;  // weights of train_classifier; fashion only
};

/// Fashion-MNIST, 28 x 28 greys by class, judged by a classifier.
std::unique_ptr<Contest> fashion_contest(const ContestOptions&);
/// Emoji, 32 x 32 colours by their names in English and Chinese, judged by which true one is nearest.
std::unique_ptr<Contest> emoji_contest(const ContestOptions&);
/// Throws argument_error for a name that is none.
std::unique_ptr<Contest> contest_named(const std::string& data, const ContestOptions&);

}  // namespace tessera::examples
