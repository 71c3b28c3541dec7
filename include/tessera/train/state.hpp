// What a training run is beside its weights, in and out of a Safetensors: optimizer, moving average, and text forms of the
// configurations that are exact enough to compare. Everything is found by parameter path, so members may change their order.
#pragma once

#include <cstdio>
#include <tessera/nn/save.hpp>
#include <tessera/train/ema.hpp>
#include <tessera/train/optimizer.hpp>
#include <tessera/train/schedule.hpp>

namespace tessera::inline TESSERA_ISA {

/// `adamw rate 0.001 beta1 0.9 ...`: equal texts, equal configurations.
inline std::string describe(const OptimizerConfig& c) {
  constexpr const char* names[] = {"sgd", "adam", "adamw", "lion"};
  char text[256];
  std::snprintf(text, sizeof text, "%s rate %.17g beta1 %.17g beta2 %.17g epsilon %.17g decay %.17g%s",
                names[static_cast<int>(c.kind)], c.rate, c.beta1, c.beta2, c.epsilon, c.decay,
                c.nesterov ? " nesterov" : "");
  return text;
}
inline std::string describe(const Schedule& s) {
  constexpr const char* names[] = {"constant", "linear", "cosine", "step"};
  char text[256];
  std::snprintf(text, sizeof text, "%s warmup %lld hold %lld total %lld floor %.17g every %lld gamma %.17g",
                names[static_cast<int>(s.decay)], static_cast<long long>(s.warmup), static_cast<long long>(s.hold),
                static_cast<long long>(s.total), s.floor, static_cast<long long>(s.every), s.gamma);
  return text;
}

namespace detail {
/// Throws number_error that names the first tensor of a module with a NaN or an infinity.
template <Module M>
void check_weights(const M& module, const std::string& where) {
  for (const Leaf& leaf : leaves(module)) {
    const bool finite = visit(leaf, [](const auto& v) {
      if constexpr (std::floating_point<typename std::remove_cvref_t<decltype(v)>::Scalar>)
        return kernel::all_finite(v.size(), std::as_const(v).data());
      else
        return true;
    });
    if (!finite) throw number_error(where + "`" + leaf.path + "` holds a NaN or an infinity");
  }
}
/// A whole number out of the metadata. Throws io_error.
inline Index metadata_number(const Safetensors& file, const std::string& key) {
  const auto at = file.metadata.find(key);
  if (at == file.metadata.end()) throw_io(file.source(), key, "it in the metadata", "none");
  long long value = 0;
  int end = 0;
  if (at->second.size() > 18 || std::sscanf(at->second.c_str(), "%lld%n", &value, &end) != 1 ||
      end != static_cast<int>(at->second.size()) || value < 0)
    throw_io(file.source(), key, "a whole number", quoted(at->second));
  return value;
}
}  // namespace detail

namespace detail {
template <class T>
void put_states(Safetensors& file, const Optimizer<T>& optimizer, const std::vector<Leaf>& leaves,
                const std::string& prefix) {
  file.metadata[prefix] = describe(optimizer.config());
  file.metadata[prefix + ".steps"] = std::to_string(optimizer.steps());
  std::size_t i = 0;
  for (const Leaf& leaf : leaves) {
    if (!leaf.trained) continue;
    if (i == optimizer.states().size()) break;
    const auto& s = optimizer.states()[i++];
    if (s.first) file.put(prefix + ".first." + leaf.path, s.first);
    if (s.second) file.put(prefix + ".second." + leaf.path, s.second);
    if (s.steps > 0) file.put(prefix + ".steps." + leaf.path, Tensor<std::int64_t>::scalar(s.steps));
  }
}
template <class T>
void get_states(const Safetensors& file, Optimizer<T>& optimizer, const std::vector<Leaf>& leaves,
                const std::string& prefix) {
  const Index steps = metadata_number(file, prefix + ".steps");
  const std::string own = describe(optimizer.config());
  const auto described = file.metadata.find(prefix);
  const std::string kind = own.substr(0, own.find(' '));
  if (described == file.metadata.end() || !described->second.starts_with(kind + ' '))
    throw_io(file.source(), prefix, "the state of " + kind,
             described == file.metadata.end() ? "none" : quoted(described->second));
  Differences differences(file);
  std::vector<typename Optimizer<T>::State> states;
  for (const Leaf& leaf : leaves) {
    if (!leaf.trained) continue;
    auto& s = states.emplace_back();
    const Shape& shape = leaf.parameter<T>().value.shape();
    const auto moment = [&](const std::string& name, Tensor<T>& to) {
      if (!file.contains(name)) return;
      if (file.shape(name) != shape)
        differences.add(name, shape.to_string(), file.shape(name).to_string());
      else
        to = file.get<T>(name);
    };
    moment(prefix + ".first." + leaf.path, s.first);
    moment(prefix + ".second." + leaf.path, s.second);
    if (const std::string name = prefix + ".steps." + leaf.path; file.contains(name)) {
      if (file.shape(name).size() != 1) {
        differences.add(name, "[]", file.shape(name).to_string());
      } else {
        const Index taken = file.get<std::int64_t>(name)[0];
        if (taken < 0 || taken > Index{1} << 53)
          throw_io(file.source(), name, "a number of steps", std::to_string(taken));
        s.steps = taken;
      }
    }
  }
  differences.finish();
  optimizer.restore(steps, std::move(states));
}
}  // namespace detail

/// Adds `prefix.first.PATH`, `prefix.second.PATH` and `prefix.steps.PATH` for every parameter of the module that has
/// them.
template <class T, Module M>
void put(Safetensors& file, const Optimizer<T>& optimizer, const M& module, const std::string& prefix = "optimizer") {
  detail::put_states(file, optimizer, detail::leaves(module), prefix);
}

/// Restores what put() added; the optimizer keeps its own configuration. Throws io_error and changes nothing when the
/// file's optimizer is of another kind or a moment has another shape than its parameter.
template <class T, Module M>
void get(const Safetensors& file, Optimizer<T>& optimizer, const M& module, const std::string& prefix = "optimizer") {
  detail::get_states(file, optimizer, detail::leaves(module), prefix);
}

template <Module M>
void put(Safetensors& file, const Ema<M>& ema, const std::string& prefix = "ema") {
  file.metadata[prefix + ".updates"] = std::to_string(ema.updates());
  put(file, ema.average(), prefix);
}
/// Throws io_error and changes nothing when the file's average is not one of this module.
template <Module M>
void get(const Safetensors& file, Ema<M>& ema, const std::string& prefix = "ema") {
  const Index updates = detail::metadata_number(file, prefix + ".updates");
  get(file, ema.average(), prefix);
  ema.set_updates(updates);
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template void detail::put_states(Safetensors&, const Optimizer<float>&,
                                                  const std::vector<detail::Leaf>&, const std::string&);
TESSERA_INSTANCE template void detail::get_states(const Safetensors&, Optimizer<float>&,
                                                  const std::vector<detail::Leaf>&, const std::string&);
#endif

}  // namespace tessera::inline TESSERA_ISA
