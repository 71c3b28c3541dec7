// The pitch of a voice, frame by frame, where its fundamental is within its turn, and how loud it is.
//
//   correlation:  r(k) = sum_t x[t] x[t + k] / sqrt(sum_t x[t]^2 sum_t x[t + k]^2), over 20 ms, for every lag k that a
//                 voice of 65 to 530 Hz can have; the maxima of each frame are candidates for its period
//   path:         through the candidates and "unvoiced", the one of least cost: 1 - r, less for high pitches, and the
//                 leaps between frames; that is what keeps it from falling an octave (Talkin, 1995, "A robust algorithm
//                 for pitch tracking (RAPT)")
//   turn:         angle of sum_t w[t] x[t] exp(-i phi(t)) with phi the sum of the pitch found, w four periods long
#pragma once

#include <tessera/core/tensor.hpp>

namespace tessera::examples {

struct PitchOptions {
  Index rate = 16000, hop = 80;  // samples a second, and a frame
};

/// Sound [T] -> hertz of T / hop frames, frame f centred on sample (f + 1 / 2) hop; 0 where there is no voice.
Tensor<float> track_pitch(const Tensor<float>& sound, const PitchOptions& options = {});

/// The same with the gaps filled: lines between the logarithms, level at both ends; `usual` where there is no voice.
Tensor<float> bridged_pitch(const Tensor<float>& hertz, float usual);

/// Radians every `step` samples, at the middle of each step: the sound's fundamental is a cosine of them. The pitch has
/// no gaps. With no sound the turn is the pitch's own, from 0.
Tensor<double> fundamental_turn(const Tensor<float>& sound, const Tensor<float>& bridged, const Tensor<float>& hertz,
                                Index step, const PitchOptions& options = {});
Tensor<double> fundamental_turn(const Tensor<float>& bridged, Index step, const PitchOptions& options = {});

/// Decibels of each frame, of 20 ms around its middle; at least -70. A sine of height 1 has -3.
Tensor<float> frame_loudness(const Tensor<float>& sound, const PitchOptions& options = {});

}  // namespace tessera::examples
