// A mixture of Gaussians, p(x) = sum_k w_k N(x; m_k, S_k), fitted by expectation and maximisation (Dempster, Laird and
// Rubin, 1977).
//
//   E  r_ik = w_k N(x_i; m_k, S_k) / p(x_i)
//   M  w_k, m_k, S_k = share, mean and covariance of the data weighted by r_.k
// It starts from k-means++ (Arthur and Vassilvitskii, 2007) and a few rounds of k-means. The likelihood never falls
// from one round to the next, and the fit ends where it grows by less than `tolerance` nats a point.
//
//   full       S any positive matrix: D^2 numbers a component
//   diagonal   S = diag(v)
//   low_rank   S = W W^T + s I, W [D, rank]: probabilistic principal components (Tipping and Bishop, 1999), where W
//              and s follow from the largest eigenvalues of the weighted covariance
//
// As p(x given y) of independent draws it shows one-shot generation's blur: everything in one step, and means of what
// does not mix. ConditionalMixture keeps one a class. In double throughout, through Eigen.
#pragma once

#include <cmath>
#include <tessera/core/eigen.hpp>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <tessera/generate/latent.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

struct GaussianMixtureConfig {
  enum class Covariance { full, diagonal, low_rank };

  Index components = 8;
  Covariance covariance = Covariance::full;
  Index rank = 2;           // low_rank: columns of W
  Index rounds = 200;       // of EM at most
  double tolerance = 1e-6;  // nats a point
  double least = 1e-6;      // smallest variance in any direction, as a share of the data's mean variance
};

class GaussianMixture {
 public:
  using Config = GaussianMixtureConfig;
  using Covariance = Config::Covariance;
  using Matrix = Eigen::MatrixXd;
  using Vector = Eigen::VectorXd;

  struct Component {
    double weight = 1;
    Vector mean;
    Matrix factor;    // full: lower Cholesky factor of S; low_rank: W; diagonal: nothing
    Vector variance;  // diagonal: v; low_rank: s, one number
  };

  /// Fits [N, D] data. Throws argument_error for settings that cannot work or fewer points than components,
  /// number_error for data that is not finite.
  GaussianMixture(const Tensor<float>& data, const Config& config, const Noise& noise) : config_(config) {
    check(data);
    const Matrix x = matrix(data).cast<double>();
    if (!x.allFinite()) throw number_error("GaussianMixture: the data holds NaN or infinity");
    const double spread = (x.rowwise() - x.colwise().mean()).squaredNorm() / static_cast<double>(x.size());
    least_ = config.least * (spread > 0 ? spread : 1);
    maximise(x, start(x, noise));
    double before = -HUGE_VAL;
    for (Index round = 0; round < config.rounds; ++round) {
      Matrix r = weighted(x);
      const Vector log_p = normalise(r);
      history_.push_back(log_p.mean());
      if (history_.back() - before < config.tolerance) break;
      before = history_.back();
      maximise(x, r);
    }
  }

  /// Mean log-likelihood a point after each round.
  const std::vector<double>& history() const { return history_; }
  const std::vector<Component>& components() const { return components_; }
  Index numbers() const { return components_[0].mean.size(); }

  /// [N], in nats.
  Tensor<double> log_prob(const Tensor<float>& data) const {
    check_points(data);
    Matrix r = weighted(matrix(data).cast<double>());
    return to_tensor(normalise(r).transpose()).reshaped({data.extent(0)});
  }
  /// [N, K]: how much of each point is each component's.
  Tensor<double> responsibilities(const Tensor<float>& data) const {
    check_points(data);
    Matrix r = weighted(matrix(data).cast<double>());
    normalise(r);
    return to_tensor(r);
  }

  /// One point a noise, [N, D].
  Tensor<float> sample(std::span<const Noise> noises) const {
    Tensor<float> all(Shape{static_cast<Index>(noises.size()), numbers()});
    auto rows = matrix(all);
    std::vector<float> weights;
    for (const Component& c : components_) weights.push_back(static_cast<float>(c.weight));
    for (std::size_t i = 0; i < noises.size(); ++i) {
      const Component& c = components_[static_cast<std::size_t>(noises[i].categorical(weights))];
      const Index extra = config_.covariance == Covariance::low_rank ? c.factor.cols() : 0;
      const Tensor<double> e = noises[i].normal<double>({numbers() + extra});
      const Eigen::Map<const Vector> n(e.data(), numbers()), m(e.data() + numbers(), extra);
      Vector x = c.mean;
      switch (config_.covariance) {
        case Covariance::full:
          x += c.factor.triangularView<Eigen::Lower>() * n;
          break;
        case Covariance::diagonal:
          x += c.variance.cwiseSqrt().cwiseProduct(n);
          break;
        case Covariance::low_rank:
          x += c.factor * m + std::sqrt(c.variance[0]) * n;
          break;
      }
      rows.row(static_cast<Index>(i)) = x.transpose().cast<float>();
    }
    return all;
  }

  /// Drawn in one step.
  class Run {
   public:
    Run(const GaussianMixture& model, std::vector<Noise> noises, bool single)
        : model_(&model), noises_(std::move(noises)), single_(single) {}
    bool step() { return done_ ? false : (done_ = true); }
    bool done() const { return done_; }
    Index at() const { return done_ ? 1 : 0; }
    Index total() const { return 1; }
    Tensor<float> preview() const {
      const Tensor<float> x = model_->sample(noises_);
      return single_ ? x.reshaped({x.cols()}) : x;
    }
    Tensor<float> finish() {
      done_ = true;
      return preview();
    }

   private:
    const GaussianMixture* model_;
    std::vector<Noise> noises_;
    bool single_, done_ = false;
  };
  Run begin(const Nothing&, const Noise& noise) const { return {*this, {noise}, true}; }

 private:
  void check(const Tensor<float>& data) const {
    const Config& c = config_;
    if (data.rank() != 2 || data.extent(0) < c.components)
      throw argument_error("GaussianMixture: data " + data.shape().to_string() + " for " +
                           std::to_string(c.components) + " components; wanted [N, D] with at least a point for each");
    if (c.components < 1 || c.rounds < 1 || !(c.least > 0))
      throw argument_error("GaussianMixture: components, rounds and least must be above 0");
    if (c.covariance == Covariance::low_rank && (c.rank < 1 || c.rank >= data.cols()))
      throw argument_error("GaussianMixture: rank " + std::to_string(c.rank) + " of " + std::to_string(data.cols()) +
                           " numbers; wanted 1 to one less than there are, or full covariances");
  }

  void check_points(const Tensor<float>& points) const {
    if (points.rank() != 2 || points.cols() != numbers())
      throw shape_error("GaussianMixture: points [N, " + std::to_string(numbers()) + "] wanted, shape is " +
                        points.shape().to_string());
  }

  /// k-means++ and five rounds of k-means: responsibilities of 0 and 1.
  Matrix start(const Matrix& x, const Noise& noise) const {
    const Index n = x.rows(), k = config_.components;
    Matrix centres(k, x.cols());
    Vector distance = Vector::Constant(n, HUGE_VAL);
    for (Index c = 0; c < k; ++c) {
      Index chosen = noise.below(n, static_cast<std::uint64_t>(c));
      if (c > 0 && distance.sum() > 0) {  // by squared distance to the nearest centre so far
        double at = noise.unit(static_cast<std::uint64_t>(c)) * distance.sum();
        for (chosen = 0; chosen + 1 < n && at >= distance[chosen]; ++chosen) at -= distance[chosen];
      }
      centres.row(c) = x.row(chosen);
      distance = distance.cwiseMin((x.rowwise() - centres.row(c)).rowwise().squaredNorm());
    }
    Matrix r;
    for (int round = 0; round < 5; ++round) {
      // |x - c|^2 without |x|^2, which is the same for all centres
      const Matrix d = (-2 * x * centres.transpose()).rowwise() + centres.rowwise().squaredNorm().transpose();
      r = Matrix::Zero(n, k);
      for (Index i = 0; i < n; ++i) {
        Index best = 0;
        d.row(i).minCoeff(&best);
        r(i, best) = 1;
      }
      const Vector counts = r.colwise().sum();
      const Matrix sums = r.transpose() * x;
      for (Index c = 0; c < k; ++c) {
        if (counts[c] > 0) centres.row(c) = sums.row(c) / counts[c];
      }
    }
    return r;
  }

  /// log w_k + log N(x_i; k), [N, K].
  Matrix weighted(const Matrix& x) const {
    Matrix r(x.rows(), static_cast<Index>(components_.size()));
    for (Index k = 0; k < r.cols(); ++k) {
      const Component& c = components_[static_cast<std::size_t>(k)];
      const Matrix d = x.rowwise() - c.mean.transpose();
      const double constant = std::log(c.weight) - 0.9189385332046727 * static_cast<double>(x.cols());
      switch (config_.covariance) {
        case Covariance::full: {
          const Matrix solved = c.factor.triangularView<Eigen::Lower>().solve(d.transpose());
          r.col(k) = (-0.5 * solved.colwise().squaredNorm()).transpose().array() + constant -
                     c.factor.diagonal().array().log().sum();
          break;
        }
        case Covariance::diagonal:
          r.col(k) = (-0.5 * (d.array().square().rowwise() / c.variance.transpose().array()).rowwise().sum()) +
                     constant - 0.5 * c.variance.array().log().sum();
          break;
        case Covariance::low_rank: {
          // Woodbury: S^-1 = (I - W M^-1 W^T) / s and |S| = s^(D - q) |M|, with M = W^T W + s I, [q, q]
          const double s = c.variance[0];
          const Index q = c.factor.cols();
          Matrix small = c.factor.transpose() * c.factor;
          small.diagonal().array() += s;
          const Eigen::LLT<Matrix> llt(small);
          const Matrix p = llt.matrixL().solve((d * c.factor).transpose());
          const Matrix lower = llt.matrixL();
          r.col(k) =
              (-0.5 / s * (d.rowwise().squaredNorm().transpose() - p.colwise().squaredNorm())).transpose().array() +
              constant - 0.5 * static_cast<double>(x.cols() - q) * std::log(s) - lower.diagonal().array().log().sum();
          break;
        }
      }
    }
    return r;
  }
  /// Log-weights become shares of 1; what is handed back is the log of their sums.
  static Vector normalise(Matrix& r) {
    const Vector top = r.rowwise().maxCoeff();
    r = (r.colwise() - top).array().exp();
    const Vector sums = r.rowwise().sum();
    r.array().colwise() /= sums.array();
    return top.array() + sums.array().log();
  }

  void maximise(const Matrix& x, const Matrix& r) {
    const double n = static_cast<double>(x.rows());
    components_.resize(static_cast<std::size_t>(r.cols()));
    double whole = 0;
    for (Index k = 0; k < r.cols(); ++k) {
      Component& c = components_[static_cast<std::size_t>(k)];
      const double count = r.col(k).sum();
      const double safe = count > 1e-10 ? count : 1e-10;
      c.weight = safe / n;
      whole += c.weight;
      if (count > 1e-10 || c.mean.size() == 0) c.mean = x.transpose() * r.col(k) / safe;
      const Matrix d = (x.rowwise() - c.mean.transpose()).array().colwise() * r.col(k).array().sqrt();
      if (config_.covariance == Covariance::diagonal) {
        c.variance = (d.array().square().colwise().sum() / safe).transpose().max(least_);
        continue;
      }
      Matrix s = d.transpose() * d / safe;
      if (config_.covariance == Covariance::full) {
        s.diagonal().array() += least_;
        c.factor = Eigen::LLT<Matrix>(s).matrixL();
        continue;
      }
      const Eigen::SelfAdjointEigenSolver<Matrix> solver(s);  // eigenvalues from the smallest
      const Index q = config_.rank, rest = s.rows() - q;
      const double left = std::max(solver.eigenvalues().head(rest).mean(), least_);
      c.variance = Vector::Constant(1, left);
      c.factor = solver.eigenvectors().rightCols(q) *
                 (solver.eigenvalues().tail(q).array() - left).max(0.0).sqrt().matrix().asDiagonal();
    }
    for (Component& c : components_) c.weight /= whole;
  }

  Config config_;
  double least_ = 0;
  std::vector<Component> components_;
  std::vector<double> history_;
};

/// p(x given y): a mixture for each class.
class ConditionalMixture {
 public:
  /// labels [N] in [0, classes). Throws argument_error for a label out of range or a class with too few points.
  ConditionalMixture(const Tensor<float>& data, const Tensor<std::int32_t>& labels, Index classes,
                     const GaussianMixtureConfig& config, const Noise& noise) {
    if (data.rank() != 2 || labels.shape() != Shape{data.extent(0)})
      throw shape_error("ConditionalMixture: labels " + labels.shape().to_string() + " for data " +
                        data.shape().to_string());
    const Index d = data.cols();
    for (Index y = 0; y < classes; ++y) {
      std::vector<float> rows;
      for (Index i = 0; i < labels.size(); ++i) {
        if (labels[i] < 0 || labels[i] >= classes)
          throw argument_error("ConditionalMixture: label " + std::to_string(labels[i]) + " of " +
                               std::to_string(classes) + " classes");
        if (labels[i] == y) rows.insert(rows.end(), data.data() + i * d, data.data() + (i + 1) * d);
      }
      const Shape shape{d == 0 ? 0 : static_cast<Index>(rows.size()) / d, d};
      if (shape[0] < config.components)
        throw argument_error("ConditionalMixture: class " + std::to_string(y) + " has " + std::to_string(shape[0]) +
                             " points, fewer than its " + std::to_string(config.components) + " components");
      mixtures_.emplace_back(Tensor<float>::from(shape, std::span<const float>(rows)), config,
                             noise.fork(static_cast<std::uint64_t>(y)));
    }
  }
  const GaussianMixture& operator[](Index y) const {
    if (y < 0 || y >= static_cast<Index>(mixtures_.size()))
      throw argument_error("ConditionalMixture: class " + std::to_string(y) + " of " +
                           std::to_string(mixtures_.size()));
    return mixtures_[static_cast<std::size_t>(y)];
  }
  GaussianMixture::Run begin(Index y, const Noise& noise) const { return (*this)[y].begin(Nothing{}, noise); }

 private:
  std::vector<GaussianMixture> mixtures_;
};

}  // namespace tessera::inline TESSERA_ISA
