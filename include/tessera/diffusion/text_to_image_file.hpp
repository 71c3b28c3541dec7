// TextToImage in and out of one safetensors file: weights by dotted path, config and tokenizer in the metadata.
#pragma once

#include <tessera/diffusion/text_to_image.hpp>
#include <tessera/nn/save.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {

inline constexpr const char* text_to_image_format = "tessera.text_to_image.1";

/// `side 32;channels 3;...;widths 64 96 128;...`
inline std::string config_text(const TextUNetConfig& c) {
  std::string s;
  const auto add = [&s](const char* name, auto... values) {
    s += name;
    ((s += ' ' + std::to_string(values)), ...);
    s += ';';
  };
  const auto list = [&s](const char* name, const auto& values) {
    s += name;
    for (const auto v : values) s += ' ' + std::to_string(static_cast<Index>(v));
    s += ';';
  };
  add("side", c.side);
  add("channels", c.channels);
  add("patch", c.patch);
  list("widths", c.widths);
  list("attention", c.attention);
  add("blocks", c.blocks);
  add("embedding", c.embedding);
  add("vocabulary", c.text.vocabulary);
  add("length", c.text.length);
  add("width", c.text.width);
  add("heads", c.text.heads);
  add("layers", c.text.layers);
  return s;
}

/// Reads what config_text wrote; every number within bounds that no small model exceeds. Throws io_error naming the
/// field.
class ConfigReader {
 public:
  ConfigReader(const Safetensors& file, std::string_view text) : file_(file.source()), text_(text) {}

  std::vector<Index> numbers(std::string_view name, std::size_t most, Index low, Index high) {
    const std::size_t end = text_.find(';');
    if (end == std::string_view::npos || !text_.starts_with(name) || text_.size() <= name.size() ||
        text_[name.size()] != ' ')
      throw_io(file_, "config", "field " + std::string(name), quoted(text_.substr(0, 40)));
    std::string_view rest = text_.substr(name.size(), end - name.size());
    text_.remove_prefix(end + 1);
    std::vector<Index> values;
    while (!rest.empty()) {
      rest.remove_prefix(1);  // the space
      const std::size_t length = std::min(rest.find(' '), rest.size());
      Index value = 0;
      bool good = length > 0 && length < 7;
      for (const char c : rest.substr(0, length)) {
        good = good && c >= '0' && c <= '9';
        value = good ? value * 10 + (c - '0') : 0;
      }
      if (!good || value < low || value > high || values.size() == most)
        throw_io(file_, "config, field " + std::string(name),
                 "at most " + std::to_string(most) + " numbers in [" + std::to_string(low) + ", " +
                     std::to_string(high) + "]",
                 quoted(rest.substr(0, 40)));
      values.push_back(value);
      rest.remove_prefix(length);
    }
    if (values.empty()) throw_io(file_, "config, field " + std::string(name), "a number", "none");
    return values;
  }
  Index number(std::string_view name, Index low, Index high) { return numbers(name, 1, low, high)[0]; }

 private:
  std::string file_;
  std::string_view text_;
};

inline const std::string& metadata_at(const Safetensors& file, const char* key) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end())
    throw_io(file.source(), "metadata", std::string("the key ") + key, "none: this is not a picture model");
  return found->second;
}

inline TextUNetConfig read_config(const Safetensors& file) {
  const std::string& format = metadata_at(file, "format");
  if (format != text_to_image_format) throw_io(file.source(), "format", quoted(text_to_image_format), quoted(format));
  ConfigReader r(file, metadata_at(file, "config"));
  TextUNetConfig c;
  c.side = r.number("side", 1, 1024);
  c.channels = r.number("channels", 1, 16);
  c.patch = r.number("patch", 1, 16);
  c.widths = r.numbers("widths", 8, 1, 4096);
  c.attention.clear();
  for (const Index a : r.numbers("attention", 8, 0, 1)) c.attention.push_back(a == 1);
  c.blocks = r.number("blocks", 1, 16);
  c.embedding = r.number("embedding", 1, 8192);
  c.text.vocabulary = r.number("vocabulary", 1, 999999);
  c.text.length = r.number("length", 2, 4096);
  c.text.width = r.number("width", 1, 4096);
  c.text.heads = r.number("heads", 1, 256);
  c.text.layers = r.number("layers", 1, 256);
  if (c.attention.size() != c.widths.size())
    throw_io(file.source(), "config, field attention", std::to_string(c.widths.size()) + " numbers, as widths",
             std::to_string(c.attention.size()));
  if (c.text.width % c.text.heads != 0)
    throw_io(file.source(), "config, field heads", "a divisor of the width", std::to_string(c.text.heads));
  // Tensors whose shapes pin every number down must be there before memory is taken for the whole network.
  const auto pin = [&](const std::string& name, const Shape& shape) {
    if (!file.contains(name)) throw_io(file.source(), "tensor " + name, shape.to_string(), "none");
    if (file.shape(name) != shape)
      throw_io(file.source(), "tensor " + name, shape.to_string(), file.shape(name).to_string());
  };
  pin("text.embedding.weight", {c.text.vocabulary, c.text.width});
  pin("text.positions.weight", {c.text.length, c.text.width});
  pin("time2.weight", {c.embedding, c.embedding});
  pin("unet.first.weight", {3, 3, c.channels * c.patch * c.patch, c.widths.front()});
  for (Index i = 0; i < c.text.layers; ++i)
    pin("text.blocks." + std::to_string(i) + ".mlp.up.weight", {4 * c.text.width, c.text.width});
  const Index levels = static_cast<Index>(c.widths.size());
  for (Index l = 0; l < levels; ++l) {
    const Index w = c.widths[static_cast<std::size_t>(l)];
    for (Index i = 0; i < c.blocks; ++i)
      pin("unet.down." + std::to_string(l * (c.blocks + 1) + i) + ".block.conv2.weight", {3, 3, w, w});
  }
  return c;
}

}  // namespace detail

/// The file of a model. Throws number_error when a weight does not fit the stored type.
template <class T>
Safetensors to_file(const BasicTextToImage<T>& model, DType stored = DType::f16) {
  Safetensors file;
  file.metadata["format"] = detail::text_to_image_format;
  file.metadata["config"] = detail::config_text(model.config);
  file.metadata["tokenizer"] = model.tokenizer.to_string();
  put(file, *model.net, "", stored);
  return file;
}
/// Throws io_error naming file, field, expected and found; the first five differences if weights are of another model.
template <class T>
BasicTextToImage<T> from_file(const Safetensors& file, std::type_identity<BasicTextToImage<T>>) {
  BasicTextToImage<T> model{detail::read_config(file), Tokenizer::parse(detail::metadata_at(file, "tokenizer")),
                            nullptr};
  if (model.tokenizer.size() > model.config.text.vocabulary)
    throw_io(file.source(), "tokenizer", "at most " + std::to_string(model.config.text.vocabulary) + " tokens",
             std::to_string(model.tokenizer.size()));
  Rng rng(0);
  auto net = std::make_shared<TextUNet<T>>(model.config, rng);
  get(file, *net);
  model.net = std::move(net);
  return model;
}

/// A model from its file: `auto paint = load<TextToImage>("paint.safetensors");`. Throws io_error.
template <class M>
M load(const std::string& path) {
  return from_file(Safetensors::read(path), std::type_identity<M>{});
}

}  // namespace tessera::inline TESSERA_ISA
