// An ImageGpt in and out of one safetensors file: weights by dotted path under `net`, the palette as a tensor, config
// and tokenizer in the metadata.
#pragma once

#include <tessera/autoregressive/gpt_file.hpp>
#include <tessera/autoregressive/image_gpt_run.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {

inline constexpr const char* image_gpt_format = "tessera.image_gpt.1";

inline std::string image_gpt_config_text(const ImageGptConfig& c) {
  Json j = Json::object();
  j.set("side", c.side).set("colours", c.colours).set("layers", c.layers).set("heads", c.heads).set("width", c.width);
  j.set("words", c.words).set("text_vocabulary", c.text.vocabulary).set("text_length", c.text.length);
  j.set("text_width", c.text.width)
      .set("text_heads", c.text.heads)
      .set("text_layers", c.text.layers)
      .set("reach", c.reach)
      .set("draft", c.draft)
      .set("map", c.map);
  return j.dump();
}

/// Every number is looked at, and tensors whose shapes pin them down must be there, before memory is taken for the
/// network. Throws io_error naming the field.
inline ImageGptConfig read_image_gpt_config(const Safetensors& file, const std::string& text) {
  const std::string& name = file.source();
  const Json j = Json::parse(text, name + ": config");
  const auto within = [&](const char* field, std::int64_t found, Index low, Index high) {
    if (found < low || found > high)
      throw_io(name, std::string("config, field ") + field, std::to_string(low) + " to " + std::to_string(high),
               std::to_string(found));
    return static_cast<Index>(found);
  };
  const auto number = [&](const char* field, Index low, Index high) {
    return within(field, j.get<std::int64_t>(field), low, high);
  };
  const auto newer = [&](const char* field, Index without, Index low, Index high) {  // older files lack it
    return within(field, j.get<std::int64_t>(field, without), low, high);
  };
  ImageGptConfig c;
  c.side = number("side", 2, 256);
  c.colours = number("colours", 2, 512);
  c.layers = number("layers", 1, 256);
  c.heads = number("heads", 1, 256);
  c.width = number("width", 1, 8192);
  c.words = number("words", 2, 4096);
  c.reach = newer("reach", 1, 1, 16);
  c.draft = newer("draft", 0, 0, 1024);
  c.map = newer("map", 0, 0, 1024);
  c.text = {.vocabulary = number("text_vocabulary", 1, 999999),
            .length = number("text_length", 2, 4096),
            .width = number("text_width", 1, 4096),
            .heads = number("text_heads", 1, 256),
            .layers = number("text_layers", 1, 256)};
  try {
    c.check();
  } catch (const argument_error& e) { throw io_error(printable(name, 400) + ": config: " + e.what()); }
  if (c.text.width % c.text.heads != 0)
    throw_io(name, "config, field text_heads", "a divisor of text_width", std::to_string(c.text.heads));
  pin_shape(file, "net.text.embedding.weight", {c.text.vocabulary, c.text.width});
  pin_shape(file, "net.text.positions.weight", {c.text.length, c.text.width});
  pin_shape(file, "net.word_places.weight", {c.words, c.width});
  pin_shape(file, "net.rows", {c.side, c.width});
  pin_shape(file, "net.gpt.embedding.weight", {c.colours, c.width});
  for (Index i = 0; i < c.layers; ++i)
    pin_shape(file, "net.gpt.blocks." + std::to_string(i) + ".mlp.up.weight", {4 * c.width, c.width});
  for (Index i = 0; i < c.text.layers; ++i)
    pin_shape(file, "net.text.blocks." + std::to_string(i) + ".mlp.up.weight", {4 * c.text.width, c.text.width});
  const ImageDraftConfig drafted = c.drafted();
  if (c.draft > 0) pin_shape(file, "net.draft.head.weight", {c.colours, drafted.read()});
  if (c.map > 0) pin_shape(file, "net.draft.map.weight", {c.pixels() * c.map, drafted.embedding()});
  const std::size_t around = ImageGptNet<float>::back(c).size();
  pin_shape(file, "net.earlier." + std::to_string(around - 1) + ".weight", {c.colours + 1, c.width});
  return c;
}

}  // namespace detail

/// Throws number_error when a weight does not fit the stored type.
inline Safetensors to_file(const ImageGpt& model, DType stored = DType::f16) {
  Safetensors file;
  file.metadata["format"] = detail::image_gpt_format;
  file.metadata["config"] = detail::image_gpt_config_text(model.config());
  file.metadata["tokenizer"] = model.tokenizer().to_string();
  file.put("palette", model.palette().tensor());
  put(file, model.net(), "net", stored);
  return file;
}

/// Throws io_error naming file, field, expected and found; the first five differences if weights are of another model.
inline ImageGpt image_gpt_from_file(const Safetensors& file) {
  const auto metadata = [&](const char* key) -> const std::string& {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end())
      throw_io(file.source(), "metadata", std::string("the key ") + key, "none: this is not an image GPT");
    return found->second;
  };
  if (metadata("format") != detail::image_gpt_format)
    throw_io(file.source(), "format", quoted(detail::image_gpt_format), quoted(metadata("format")));
  const ImageGptConfig c = detail::read_image_gpt_config(file, metadata("config"));
  Tokenizer tokenizer = Tokenizer::parse(metadata("tokenizer"));
  if (!file.contains("palette") || file.shape("palette").rank() != 2 || file.shape("palette")[1] != 3)
    throw_io(file.source(), "tensor palette", "colours [N, 3]",
             file.contains("palette") ? file.shape("palette").to_string() : "no such tensor");
  Rng rng(0);
  auto net = std::make_shared<ImageGptNet<float>>(c, rng);
  get(file, *net, "net");
  try {
    return ImageGpt(std::move(net), ColourPalette(file.get<std::uint8_t>("palette")), std::move(tokenizer));
  } catch (const argument_error& e) { throw io_error(printable(file.source(), 400) + ": " + e.what()); }
}
inline ImageGpt load_image_gpt(const std::string& path) { return image_gpt_from_file(Safetensors::read(path)); }

}  // namespace tessera::inline TESSERA_ISA
