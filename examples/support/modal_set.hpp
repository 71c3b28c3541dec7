// Distributions whose modes are known, to see what a way of generating makes of "many answers are right".
//
//   sentence  two tokens: "many thanks" or "thank you". The first of one reading and the second of the other is neither.
//   runner    8 x 8 pixels of two levels: running left or right, in one of two strides
//   ring      eight normals on a circle (support/planar.hpp); in units: two coordinates of 128 levels
//   grid      5 x 5 normals. Its two coordinates know nothing of each other: here independence costs nothing.
//
// Every object is two things: a row of units, for models that choose among values, and a point of numbers around -1 to
// 1, for models of the continuous: tokens one-hot, pixels light or dark, coordinates scaled.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include <tessera/core/noise.hpp>
#include <tessera/generate/metrics/combinations.hpp>

namespace tessera::examples {

enum class Modal { sentence, runner, ring, grid };
inline constexpr std::array<Modal, 4> modal_sets = {Modal::sentence, Modal::runner, Modal::ring, Modal::grid};

const char* name_of(Modal set);
/// Throws argument_error that lists the names there are.
Modal modal_named(const std::string& name);

struct ModalForm {
  Index units, values;  // an object is so many units, each one of so many values
  Index numbers;        // and a point of so many numbers
};
ModalForm form_of(Modal set);
/// Only two values a number: points that are learned as such must be cut to levels again.
bool is_discrete(Modal set);

/// [count, numbers]. Object i depends on the noise and i alone.
Tensor<float> modal_points(Modal set, Index count, const Noise& noise);
/// Points [n, numbers], cut to the nearest units [n, units].
Tensor<std::int32_t> to_units(Modal set, const Tensor<float>& points);
/// Units [n, units] as points [n, numbers]; a coordinate falls anywhere within its level.
Tensor<float> to_points(Modal set, const Tensor<std::int32_t>& units, const Noise& noise);

/// What made points come to, against the same number of fresh draws.
struct ModalScore {
  Combinations modes;  // possible: tokens and pixels exactly; points within four deviations of a normal
  SampleNats nats;     // of points over cells of a 32nd of the square's side
};
ModalScore score_modal(Modal set, const Tensor<float>& made, const Noise& noise);

/// Points as a picture [side, side, 3], side 160: how often each sentence was said; sixteen runners; dots.
Tensor<std::uint8_t> modal_panel(Modal set, const Tensor<float>& points);
inline constexpr Index modal_panel_side = 160;

}  // namespace tessera::examples
