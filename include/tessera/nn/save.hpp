// A module's parameters and buffers in a safetensors file, by dotted path (`blocks.0.attention.query.weight`).
//
//   save("net.safetensors", net);                             // one module, one file
//   load("net.safetensors", net);
//   put(file, text, "text"); put(file, unet, "unet");         // several in one: `text.embedding.weight`, ...
//   get(file, unet, "unet");
//
// Loading is strict and whole: every name, shape and type is compared first, the error lists the first five differences and says
// how many more there are, and the module changes only when nothing is wrong.
#pragma once

#include <limits>
#include <map>
#include <optional>
#include <string>
#include <tessera/io/safetensors.hpp>
#include <tessera/kernel/reduce.hpp>
#include <tessera/nn/module.hpp>
#include <tuple>

namespace tessera::inline TESSERA_ISA {

namespace detail {

inline std::string joined(const std::string& prefix, const std::string& path) {
  return prefix.empty() ? path : prefix + '.' + path;
}

/// Collects what differs; throws when that was anything.
class Differences {
 public:
  explicit Differences(const std::string& source) : file_(printable(source, 400)) {}
  explicit Differences(const Safetensors& file) : Differences(file.source().empty() ? "safetensors" : file.source()) {}

  void add(const std::string& name, const std::string& expected, const std::string& found) {
    if (count_++ < shown)
      list_ += (count_ == 1 ? ": tensor " : "; tensor ") + quoted(name) + ": expected " + expected + ", found " + found;
  }
  void finish() const {
    if (count_ == 0) return;
    throw io_error(file_ + list_ +
                   (count_ > shown ? "; and " + std::to_string(count_ - shown) + " more differences" : "") +
                   ": these are the weights of another model");
  }

 private:
  static constexpr std::size_t shown = 5;
  std::string file_, list_;
  std::size_t count_ = 0;
};

/// A tensor of any type: one of these, the others empty.
using AnyTensor =
    std::tuple<Tensor<float>, Tensor<double>, Tensor<std::int32_t>, Tensor<std::int64_t>, Tensor<std::uint8_t>>;

/// Throws number_error when a finite value would become infinite in half precision.
template <class T>
void check_half(const std::string& name, const Tensor<T>& v) {
  constexpr double largest = 65504;
  for (Index i = 0; i < v.size(); ++i) {
    const double x = std::abs(static_cast<double>(v[i]));
    if (x > largest && x <= static_cast<double>(std::numeric_limits<T>::max()))
      throw number_error("save: tensor " + quoted(name) + ": " + std::to_string(x) +
                         " is beyond F16, whose largest is 65504; store it as BF16 or F32");
  }
}
// File is Safetensors: as templates they cost nothing where no module is saved.
template <class File>
void put_leaves(File& file, const std::vector<Leaf>& leaves, const std::string& prefix, std::optional<DType> stored) {
  for (const Leaf& leaf : leaves) {
    const std::string name = joined(prefix, leaf.path);
    if (file.contains(name)) throw argument_error("save: two tensors are called " + quoted(name));
    visit(leaf, [&](const auto& v) {
      using T = typename std::remove_cvref_t<decltype(v)>::Scalar;
      if constexpr (std::floating_point<T>) {
        if (stored == DType::f16) check_half(name, v);
        file.put(name, v, stored.value_or(dtype_of<T>));
      } else {
        file.put(name, v);
      }
    });
  }
}

template <class File>
std::vector<std::string> get_leaves(const File& file, const std::vector<Leaf>& leaves, const std::string& prefix) {
  Differences differences(file);
  std::map<std::string, bool> wanted;
  for (const Leaf& leaf : leaves) {
    visit(leaf, [&](const auto& v) {
      using T = typename std::remove_cvref_t<decltype(v)>::Scalar;
      const std::string name = joined(prefix, leaf.path);
      wanted[name] = true;
      if (!file.contains(name))
        differences.add(name, v.shape().to_string(), "no such tensor");
      else if (file.shape(name) != v.shape())
        differences.add(name, v.shape().to_string(), file.shape(name).to_string());
      else if (!convertible<T>(file.dtype(name)))
        differences.add(name, std::string(name_of(dtype_of<T>)), std::string(name_of(file.dtype(name))));
    });
  }
  const std::string start = prefix.empty() ? prefix : prefix + '.';
  for (const std::string& name : file.names()) {
    if (name.starts_with(start) && !wanted.contains(name))
      differences.add(name, "no such tensor", file.shape(name).to_string());
  }
  differences.finish();

  // All is read before anything is given to the module.
  std::vector<AnyTensor> values;
  std::vector<std::string> not_finite;
  for (const Leaf& leaf : leaves) {
    visit(leaf, [&](const auto& v) {
      using T = typename std::remove_cvref_t<decltype(v)>::Scalar;
      const std::string name = joined(prefix, leaf.path);
      Tensor<T>& value = std::get<Tensor<T>>(values.emplace_back());
      value = file.template get<T>(name);
      if constexpr (std::floating_point<T>) {
        if (!kernel::all_finite(value.size(), std::as_const(value).data())) not_finite.push_back(name);
      }
    });
  }
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    visit(leaves[i], [&](auto& v) { v = std::move(std::get<std::remove_cvref_t<decltype(v)>>(values[i])); });
  }
  return not_finite;
}

}  // namespace detail

/// Adds every parameter and buffer as `prefix.path`; floats as `stored` when that is given, else exactly.
/// Throws argument_error when two members share a path, number_error when a finite value would become infinite in half
/// precision.
template <Module M>
void put(Safetensors& file, const M& module, const std::string& prefix = "", std::optional<DType> stored = {}) {
  detail::put_leaves(file, detail::leaves(module), prefix, stored);
}

/// Fills the module from `prefix.*`. Returns the names of tensors that hold a NaN or an infinity: worth a warning.
/// Throws io_error and leaves the module as it was when a name is missing or unexpected, or a shape or type differs.
template <Module M>
std::vector<std::string> get(const Safetensors& file, M& module, const std::string& prefix = "") {
  return detail::get_leaves(file, detail::leaves(module), prefix);
}

/// Writes one module into a file of its own, in one step. Throws io_error, and then nothing has changed.
template <Module M>
void save(const std::string& path, const M& module, std::map<std::string, std::string> metadata = {},
          std::optional<DType> stored = {}) {
  Safetensors file;
  file.metadata = std::move(metadata);
  put(file, module, "", stored);
  file.write(path);
}

/// What load() found beside the weights.
struct Loaded {
  std::map<std::string, std::string> metadata;
  std::vector<std::string> not_finite;  // tensors that hold a NaN or an infinity: worth a warning
};

/// Reads what save() wrote. Throws io_error, and then the module is as it was.
template <Module M>
Loaded load(const std::string& path, M& module) {
  Safetensors file = Safetensors::read(path);
  std::vector<std::string> not_finite = get(file, module);
  return {std::move(file.metadata), std::move(not_finite)};
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template void detail::put_leaves(Safetensors&, const std::vector<detail::Leaf>&, const std::string&,
                                                  std::optional<DType>);
TESSERA_INSTANCE template std::vector<std::string> detail::get_leaves(const Safetensors&,
                                                                      const std::vector<detail::Leaf>&,
                                                                      const std::string&);
#endif

}  // namespace tessera::inline TESSERA_ISA
