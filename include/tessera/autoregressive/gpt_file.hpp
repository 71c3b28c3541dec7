// A Gpt in and out of one safetensors file: weights by dotted path, config and, if there are any, the texts of its units in the
// metadata. Published checkpoints: gpt_published.hpp.
#pragma once

#include <cstdio>

#include <tessera/autoregressive/gpt.hpp>
#include <tessera/io/json.hpp>
#include <tessera/nn/save.hpp>

namespace tessera::inline TESSERA_ISA {

/// A network and what its units stand for. A template so that it costs only programs that use it.
template <class T>
struct BasicGptModel {
  std::shared_ptr<Gpt<T>> net;
  std::vector<std::string> units = {};  // the text of each unit; empty: a tokenizer is elsewhere
  std::map<std::string, std::string> metadata = {};
};
using GptModel = BasicGptModel<float>;

namespace detail {

inline constexpr const char* gpt_format = "tessera.gpt.1";

inline std::string gpt_config_text(const GptConfig& c) {
  constexpr const char* positions[] = {"learned", "rotary"};
  constexpr const char* norms[] = {"layer", "rms"};
  constexpr const char* mlps[] = {"gelu", "gelu_tanh", "swiglu"};
  Json j = Json::object();
  j.set("vocabulary", c.vocabulary).set("context", c.context).set("layers", c.layers).set("heads", c.heads);
  j.set("width", c.width).set("kv_heads", c.kv_heads).set("hidden", c.hidden);
  j.set("positions", positions[static_cast<int>(c.positions)]).set("norm", norms[static_cast<int>(c.norm)]);
  j.set("mlp", mlps[static_cast<int>(c.mlp)]).set("bias", c.bias).set("tied", c.tied);
  j.set("epsilon", c.epsilon).set("rotary_base", c.rotary_base);
  return j.dump();
}

/// One of the names, as a number. Throws io_error.
template <class Enum, std::size_t N>
Enum named(const std::string& file, const char* field, const std::string& found, const char* const (&names)[N]) {
  std::string wanted;
  for (std::size_t i = 0; i < N; ++i) {
    if (found == names[i]) return static_cast<Enum>(i);
    wanted += (i == 0 ? "" : " or ") + std::string(names[i]);
  }
  throw_io(file, field, wanted, quoted(found));
}

/// config.check() as an error of the file's.
inline void check_gpt_config(const std::string& file, const GptConfig& c) {
  try {
    c.check();
  } catch (const argument_error& e) { throw io_error(printable(file, 400) + ": config: " + e.what()); }
  if (c.context > (Index{1} << 20))
    throw_io(file, "config, field context", "at most 1048576", std::to_string(c.context));
}

inline GptConfig read_gpt_config(const std::string& file, const std::string& text) {
  const Json j = Json::parse(text, file + ": config");
  GptConfig c;
  c.vocabulary = j.get<std::int64_t>("vocabulary");
  c.context = j.get<std::int64_t>("context");
  c.layers = j.get<std::int64_t>("layers");
  c.heads = j.get<std::int64_t>("heads");
  c.width = j.get<std::int64_t>("width");
  c.kv_heads = j.get<std::int64_t>("kv_heads");
  c.hidden = j.get<std::int64_t>("hidden");
  c.positions =
      named<GptPositions>(file, "config, field positions", j.get<std::string>("positions"), {"learned", "rotary"});
  c.norm = named<GptNorm>(file, "config, field norm", j.get<std::string>("norm"), {"layer", "rms"});
  c.mlp = named<GptMlp>(file, "config, field mlp", j.get<std::string>("mlp"), {"gelu", "gelu_tanh", "swiglu"});
  c.bias = j.get<bool>("bias");
  c.tied = j.get<bool>("tied");
  c.epsilon = j.get<double>("epsilon");
  c.rotary_base = j.get<double>("rotary_base");
  check_gpt_config(file, c);
  return c;
}

/// A tensor whose shape pins the config down, looked at before memory is taken for the network. Throws io_error.
inline void pin_shape(const Safetensors& file, const std::string& name, const Shape& shape) {
  if (!file.contains(name)) throw_io(file.source(), "tensor " + quoted(name), shape.to_string(), "no such tensor");
  if (file.shape(name) != shape)
    throw_io(file.source(), "tensor " + quoted(name), shape.to_string(), file.shape(name).to_string());
}

/// How many numbers all tensors of a file hold.
inline double stored_numbers(const Safetensors& file) {
  double sum = 0;
  for (const std::string& name : file.names()) sum += static_cast<double>(file.shape(name).size());
  return sum;
}
/// Refuses a config whose network would be far larger than what is stored. Throws io_error.
inline void check_gpt_size(const std::string& file, const GptConfig& c, double stored) {
  const auto real = [](Index n) { return static_cast<double>(n); };
  const double width = real(c.width), keys = real(c.key_heads() * c.head_width());
  const double table =
      real(c.vocabulary) * (c.tied ? 1 : 2) + (c.positions == GptPositions::learned ? real(c.context) : 0);
  const double mlp = real(c.mlp_width()) * (c.mlp == GptMlp::swiglu ? 3 : 2);
  const double wanted = width * (table + real(c.layers) * (2 * width + 2 * keys + mlp));
  if (wanted > 2 * stored + 65536) {
    char numbers[96];
    std::snprintf(numbers, sizeof numbers, "one of %.4g weights, where %.4g numbers are stored", wanted, stored);
    throw_io(file, "config", "a network that fits the tensors", numbers);
  }
}

}  // namespace detail

/// Throws number_error when a weight does not fit the stored type.
template <class T>
Safetensors to_file(const BasicGptModel<T>& model, DType stored = DType::f32) {
  Safetensors file;
  file.metadata = model.metadata;
  file.metadata["format"] = detail::gpt_format;
  file.metadata["config"] = detail::gpt_config_text(model.net->config);
  if (!model.units.empty()) {
    Json units;
    for (const std::string& u : model.units) units.push(u);
    file.metadata["units"] = units.dump();
  }
  put(file, *model.net, "", stored);
  return file;
}

/// Throws io_error naming file, field, expected and found.
template <class T = float>
BasicGptModel<T> gpt_from_file(const Safetensors& file) {
  const auto metadata = [&](const char* key) -> const std::string& {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end())
      throw_io(file.source(), "metadata", std::string("the key ") + key, "none: this is not a model of this kind");
    return found->second;
  };
  if (metadata("format") != detail::gpt_format)
    throw_io(file.source(), "format", quoted(detail::gpt_format), quoted(metadata("format")));
  const GptConfig c = detail::read_gpt_config(file.source(), metadata("config"));
  detail::pin_shape(file, "embedding.weight", {c.vocabulary, c.width});
  if (c.positions == GptPositions::learned) detail::pin_shape(file, "positions.weight", {c.context, c.width});
  for (Index i = 0; i < c.layers; ++i)
    detail::pin_shape(file, "blocks." + std::to_string(i) + ".mlp.up.weight", {c.mlp_width(), c.width});
  detail::check_gpt_size(file.source(), c, detail::stored_numbers(file));
  BasicGptModel<T> model;
  if (file.metadata.contains("units")) {
    const Json units = Json::parse(metadata("units"), file.source() + ": units");
    for (const Json& u : units.elements()) model.units.push_back(u.as<std::string>("units"));
    if (static_cast<Index>(model.units.size()) != c.vocabulary)
      throw_io(file.source(), "units", std::to_string(c.vocabulary) + " texts", std::to_string(model.units.size()));
  }
  Rng rng(0);
  model.net = std::make_shared<Gpt<T>>(c, rng);
  get(file, *model.net);
  for (const auto& [key, value] : file.metadata) {
    if (key != "format" && key != "config" && key != "units") model.metadata[key] = value;
  }
  return model;
}
template <class T = float>
BasicGptModel<T> load_gpt(const std::string& path) {
  return gpt_from_file<T>(Safetensors::read(path));
}

}  // namespace tessera::inline TESSERA_ISA
