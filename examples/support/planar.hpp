// Distributions in the plane to fit densities and catch collapsing generators with. Where the density is known, so is
// the entropy, and with it the best log-likelihood a model can reach: minus the entropy.
//
//   moons         two half circles of radius 2 with normal noise of deviation 0.15
//   pinwheel      five bent arms (Johnson et al., 2016, arXiv 1603.06277); density unknown
//   checkerboard  uniform over 8 of 4 x 4 unit squares of [-2, 2]^2
//   rings         four circles of radii 0.75, 1.5, 2.25 and 3, radial deviation 0.08
//   ring          eight normals of deviation 0.1 on a circle of radius 2
//   grid          5 x 5 normals of deviation 0.05, two apart
#pragma once

#include <array>
#include <optional>
#include <string>

#include <tessera/core/noise.hpp>

namespace tessera::examples {

enum class Planar { moons, pinwheel, checkerboard, rings, ring, grid };
inline constexpr std::array<Planar, 6> planar_sets = {Planar::moons, Planar::pinwheel, Planar::checkerboard,
                                                      Planar::rings, Planar::ring,     Planar::grid};

const char* name_of(Planar set);
/// Throws argument_error that lists the names there are.
Planar planar_named(const std::string& name);

/// [count, 2]. Point i depends on the noise and i alone.
Tensor<float> planar_points(Planar set, Index count, const Noise& noise);

/// Natural logarithm of the density at a place; nothing where it is unknown.
std::optional<double> planar_log_density(Planar set, double x, double y);
/// In nats.
std::optional<double> planar_entropy(Planar set);

/// Centres of the normals of `ring` and `grid`, [K, 2], and their deviation; [0, 2] for the others.
Tensor<float> planar_centres(Planar set);
double planar_deviation(Planar set);
/// Half the side of a square round the origin that holds all but a millionth of the set.
double planar_reach(Planar set);

}  // namespace tessera::examples
