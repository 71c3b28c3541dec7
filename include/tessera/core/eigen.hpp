// The bridge to Eigen, for decompositions, solvers and test oracles.
//
//     auto m = matrix(t);                                             // [rows, cols] over t's own memory
//     Eigen::SelfAdjointEigenSolver<Eigen::MatrixXf> solver(m.transpose() * m);
//     auto axes = to_tensor(solver.eigenvectors());                   // computed straight into the new tensor
//
// Like a pointer, a map does not keep its tensor alive. A mutable map makes the tensor's memory its own first (copy
// on write); a copy of the tensor made after that shares what the map then writes. Only what stands on Eigen includes
// this header: it costs 3 to 4 s a translation unit.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push  // g++ 12 takes undefined registers, meant so in its own AVX-512 intrinsics, for mistakes
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <Eigen/Core>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <tessera/core/tensor.hpp>
#include <type_traits>

namespace tessera {

template <class T>
using RowMajorMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// The tensor as a matrix of t.rows() rows and t.cols() columns: [a, b, c] is a b x c, a vector is one row.
template <class T>
Eigen::Map<RowMajorMatrix<T>, Eigen::Aligned64> matrix(Tensor<T>& t) {
  return {t.data(), t.rows(), t.cols()};
}
template <class T>
Eigen::Map<const RowMajorMatrix<T>, Eigen::Aligned64> matrix(const Tensor<T>& t) {
  return {t.data(), t.rows(), t.cols()};
}
template <class T>
void matrix(const Tensor<T>&&) = delete;  // it would outlive the memory

/// Evaluates any dense Eigen expression into a new tensor [rows, cols] of T; without T, of the expression's own type.
template <class T = void, class E>
auto to_tensor(const Eigen::DenseBase<E>& expression) {
  using Scalar = std::conditional_t<std::is_void_v<T>, typename E::Scalar, T>;
  Tensor<Scalar> t(Shape{expression.rows(), expression.cols()});
  matrix(t).array() = expression.derived().array().template cast<Scalar>();
  return t;
}

}  // namespace tessera
