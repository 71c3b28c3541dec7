// GPT-2 and Llama as they are published: a folder with config.json and model.safetensors (or several, with
// model.safetensors.index.json), or one safetensors file with config.json beside it.
//
//   GptModel model = load_published_gpt("gpt2/");
//
//   GPT-2                                     Llama                                          here
//   wte.weight                                model.embed_tokens.weight                      embedding.weight
//   wpe.weight                                -                                              positions.weight
//   h.0.ln_1                                  model.layers.0.input_layernorm                 blocks.0.norm1
//   h.0.attn.c_attn [D, 3 D], transposed      ...self_attn.{q,k,v}_proj                      blocks.0.attention.{query,key,value}
//   h.0.attn.c_proj, transposed               ...self_attn.o_proj                            blocks.0.attention.output
//   h.0.ln_2                                  ...post_attention_layernorm                    blocks.0.norm2
//   h.0.mlp.c_fc, transposed                  ...mlp.up_proj, ...mlp.gate_proj               blocks.0.mlp.{up,gate}
//   h.0.mlp.c_proj, transposed                ...mlp.down_proj                               blocks.0.mlp.down
//   ln_f                                      model.norm                                     norm
//   (wte.weight)                              lm_head.weight                                 head.weight
// GPT-2's layers are "Conv1D": weights stored [in, out]. Names may stand behind `transformer.`. What a config asks for that
// this network does not have (scaled rotary positions, biases in some layers only, ...) is an error that names it.
#pragma once

#include <sys/stat.h>

#include <set>
#include <tessera/autoregressive/gpt_file.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {

/// A model's config.json. Reads what it knows and refuses what it cannot do.
class PublishedConfig {
 public:
  PublishedConfig(std::string_view text, const std::string& file) : file_(file), json_(Json::parse(text, file)) {}

  GptConfig read() const {
    const std::string type = json_.get<std::string>("model_type");
    GptConfig c;
    if (type == "gpt2")
      c = gpt2();
    else if (type == "llama" || type == "mistral")
      c = llama();
    else
      fail("model_type", "gpt2, llama or mistral", quoted(type, 60));
    check_gpt_config(file_, c);
    return c;
  }

 private:
  [[noreturn]] void fail(const char* field, const std::string& wanted, const std::string& found) const {
    throw_io(file_, field, wanted, found);
  }
  Index number(const char* field) const { return json_.get<std::int64_t>(field); }
  /// Absent and null are the same.
  const Json* given(const char* field) const {
    const Json* j = json_.find(field);
    return j && !j->is_null() ? j : nullptr;
  }
  Index number(const char* field, Index otherwise) const {
    const Json* j = given(field);
    return j ? j->as<std::int64_t>(field) : otherwise;
  }
  bool truth(const char* field, bool otherwise) const {
    const Json* j = given(field);
    return j ? j->as<bool>(field) : otherwise;
  }
  double real(const char* field, double otherwise) const {
    const Json* j = given(field);
    return j ? j->as<double>(field) : otherwise;
  }
  void refuse(const char* field, bool seen) const {
    if (seen) fail(field, "it off or absent: this network does not have it", "it on");
  }

  GptConfig gpt2() const {
    GptConfig c;
    c.vocabulary = number("vocab_size");
    c.context = number("n_positions", number("n_ctx", 1024));
    c.width = number("n_embd");
    c.layers = number("n_layer");
    c.heads = number("n_head");
    c.hidden = number("n_inner", 0);
    c.epsilon = real("layer_norm_epsilon", 1e-5);
    c.tied = truth("tie_word_embeddings", true);
    const std::string activation =
        given("activation_function") ? json_.get<std::string>("activation_function") : "gelu_new";
    if (activation == "gelu_new" || activation == "gelu_pytorch_tanh" || activation == "gelu_fast")
      c.mlp = GptMlp::gelu_tanh;
    else if (activation == "gelu")
      c.mlp = GptMlp::gelu;
    else
      fail("activation_function", "gelu_new or gelu", quoted(activation, 60));
    refuse("scale_attn_by_inverse_layer_idx", truth("scale_attn_by_inverse_layer_idx", false));
    refuse("add_cross_attention", truth("add_cross_attention", false));
    if (!truth("scale_attn_weights", true)) fail("scale_attn_weights", "true", "false");
    return c;
  }
  GptConfig llama() const {
    GptConfig c;
    c.positions = GptPositions::rotary;
    c.norm = GptNorm::rms;
    c.mlp = GptMlp::swiglu;
    c.vocabulary = number("vocab_size");
    c.context = number("max_position_embeddings", 2048);
    c.width = number("hidden_size");
    c.layers = number("num_hidden_layers");
    c.heads = number("num_attention_heads");
    c.kv_heads = number("num_key_value_heads", 0);
    if (c.kv_heads == c.heads) c.kv_heads = 0;
    c.hidden = number("intermediate_size");
    c.epsilon = real("rms_norm_eps", 1e-6);
    c.rotary_base = real("rope_theta", 10000);
    c.tied = truth("tie_word_embeddings", false);
    c.bias = truth("attention_bias", false);
    if (c.bias != truth("mlp_bias", false))
      fail("mlp_bias", c.bias ? "true, as attention_bias" : "false, as attention_bias", c.bias ? "false" : "true");
    const std::string activation = given("hidden_act") ? json_.get<std::string>("hidden_act") : "silu";
    if (activation != "silu") fail("hidden_act", "silu", quoted(activation, 60));
    if (const Json* scaling = given("rope_scaling"))
      fail("rope_scaling", "null: scaled rotary positions are not supported", quoted(scaling->dump(), 120));
    if (const Json* rope = given("rope_parameters")) {  // newer files: base and scaling in one
      const std::string kind = rope->find("rope_type") ? rope->get<std::string>("rope_type") : "default";
      if (kind != "default")
        fail("rope_parameters", "the type default: scaled rotary positions are not supported", quoted(kind, 60));
      if (rope->find("rope_theta")) c.rotary_base = rope->get<double>("rope_theta");
    }
    const Index head = number("head_dim", c.heads > 0 ? c.width / c.heads : 0);
    if (c.heads < 1 || head * c.heads != c.width)
      fail("head_dim", "hidden_size / num_attention_heads", std::to_string(head));
    if (const Json* window = given("sliding_window"); window && window->as<std::int64_t>("sliding_window") < c.context)
      fail("sliding_window", "null, or no less than max_position_embeddings", window->dump());
    return c;
  }

  std::string file_;
  Json json_;
};

/// One published tensor and the parameters it fills, one after the other along the outputs.
struct Published {
  std::string name;
  std::vector<Tensor<float>*> to;
  bool transposed = false;  // stored [in, out]

  Shape shape() const {
    Index out = 0;
    for (const Tensor<float>* t : to) out += t->extent(0);
    if (to[0]->rank() == 1) return {out};
    return transposed ? Shape{to[0]->extent(1), out} : Shape{out, to[0]->extent(1)};
  }
  void fill(Tensor<float> from) const {
    if (transposed && from.rank() == 2) {
      Tensor<float> turned(Shape{from.extent(1), from.extent(0)});
      kernel::transpose(from.extent(0), from.extent(1), std::as_const(from).data(), from.extent(1), turned.data(),
                        from.extent(0));
      from = std::move(turned);
    }
    Index row = 0;
    for (Tensor<float>* t : to) {
      const Index rows = t->extent(0);
      *t = to.size() == 1 ? from : slice(from, 0, row, row + rows);
      row += rows;
    }
  }
};

inline std::vector<Published> published_names(Gpt<float>& net, const std::string& before) {
  std::vector<Published> all;
  const auto norm = [&](const std::string& name, GptNormLayer<float>& n) {
    all.push_back({name + ".weight", {&n.weight.value}});
    if (n.bias) all.push_back({name + ".bias", {&n.bias->value}});
  };
  const auto layer = [&](const std::string& name, std::vector<Linear<float>*> parts, bool transposed) {
    Published weight{name + ".weight", {}, transposed}, bias{name + ".bias", {}};
    for (Linear<float>* l : parts) {
      weight.to.push_back(&l->weight.value);
      if (l->bias) bias.to.push_back(&l->bias->value);
    }
    all.push_back(std::move(weight));
    if (!bias.to.empty()) all.push_back(std::move(bias));
  };
  const bool gpt2 = net.config.positions == GptPositions::learned;
  all.push_back({before + (gpt2 ? "wte.weight" : "embed_tokens.weight"), {&net.embedding.weight.value}});
  if (net.positions) all.push_back({before + "wpe.weight", {&net.positions->weight.value}});
  for (std::size_t i = 0; i < net.blocks.size(); ++i) {
    auto& b = net.blocks[i];
    auto& a = b.attention;
    const std::string at = before + (gpt2 ? "h." : "layers.") + std::to_string(i);
    norm(at + (gpt2 ? ".ln_1" : ".input_layernorm"), b.norm1);
    norm(at + (gpt2 ? ".ln_2" : ".post_attention_layernorm"), b.norm2);
    if (gpt2) {
      layer(at + ".attn.c_attn", {&a.query, &a.key, &a.value}, true);
      layer(at + ".attn.c_proj", {&a.output}, true);
      layer(at + ".mlp.c_fc", {&b.mlp.up}, true);
      layer(at + ".mlp.c_proj", {&b.mlp.down}, true);
    } else {
      layer(at + ".self_attn.q_proj", {&a.query}, false);
      layer(at + ".self_attn.k_proj", {&a.key}, false);
      layer(at + ".self_attn.v_proj", {&a.value}, false);
      layer(at + ".self_attn.o_proj", {&a.output}, false);
      layer(at + ".mlp.gate_proj", {&*b.mlp.gate}, false);
      layer(at + ".mlp.up_proj", {&b.mlp.up}, false);
      layer(at + ".mlp.down_proj", {&b.mlp.down}, false);
    }
  }
  norm(before + (gpt2 ? "ln_f" : "norm"), net.norm);
  if (net.head) all.push_back({"lm_head.weight", {&net.head->weight.value}});
  return all;
}

/// What checkpoints hold beside weights: masks, tables of angles, a tied head's copy.
inline bool is_published_extra(const std::string& name, bool tied) {
  return matches("*.attn.bias", name) || matches("*.attn.masked_bias", name) ||
         matches("*.rotary_emb.inv_freq", name) || (tied && name == "lm_head.weight");
}

}  // namespace detail

/// From parsed parts. Throws io_error that lists the first differences and says how many more there are; then nothing
/// is kept.
inline GptModel published_gpt(std::string_view config_json, const std::string& config_name,
                              const std::vector<Safetensors>& files) {
  const GptConfig c = detail::PublishedConfig(config_json, config_name).read();
  const auto find = [&](const std::string& name) -> const Safetensors* {
    for (const Safetensors& f : files) {
      if (f.contains(name)) return &f;
    }
    return nullptr;
  };
  const bool gpt2 = c.positions == GptPositions::learned;
  std::string before = gpt2 ? "" : "model.";
  if (gpt2 && find("transformer.wte.weight")) before = "transformer.";
  const std::string source = files.empty() ? config_name : files[0].source();

  // Before memory is taken: the tensors whose shapes pin the sizes down.
  const auto pin = [&](const std::string& name, const Shape& shape) {
    const Safetensors* file = find(name);
    if (!file) throw_io(source, "tensor " + quoted(name), shape.to_string(), "no such tensor");
    detail::pin_shape(*file, name, shape);
  };
  pin(before + (gpt2 ? "wte.weight" : "embed_tokens.weight"), {c.vocabulary, c.width});
  if (gpt2) pin(before + "wpe.weight", {c.context, c.width});
  for (Index i = 0; i < c.layers; ++i) {
    const std::string at = before + (gpt2 ? "h." : "layers.") + std::to_string(i);
    if (gpt2)
      pin(at + ".mlp.c_fc.weight", {c.width, c.mlp_width()});
    else
      pin(at + ".mlp.up_proj.weight", {c.mlp_width(), c.width});
  }
  double stored = 0;
  for (const Safetensors& f : files) stored += detail::stored_numbers(f);
  detail::check_gpt_size(source, c, stored);

  Rng rng(0);
  GptModel model{std::make_shared<Gpt<float>>(c, rng), {}, {}};
  const auto names = detail::published_names(*model.net, before);
  detail::Differences differences(files[0]);
  std::set<std::string> wanted;
  for (const auto& p : names) {
    wanted.insert(p.name);
    const Safetensors* file = find(p.name);
    if (!file)
      differences.add(p.name, p.shape().to_string(), "no such tensor");
    else if (file->shape(p.name) != p.shape())
      differences.add(p.name, p.shape().to_string(), file->shape(p.name).to_string());
    else if (!convertible<float>(file->dtype(p.name)))
      differences.add(p.name, "floating-point numbers", std::string(name_of(file->dtype(p.name))));
  }
  for (const Safetensors& f : files) {
    for (const std::string& name : f.names()) {
      if (!wanted.contains(name) && !detail::is_published_extra(name, c.tied))
        differences.add(name, "no such tensor", f.shape(name).to_string());
    }
  }
  differences.finish();
  for (const auto& p : names) p.fill(find(p.name)->get<float>(p.name));
  return model;
}

/// A folder, or a safetensors file with config.json beside it. Throws io_error.
inline GptModel load_published_gpt(const std::string& path) {
  constexpr std::uint64_t most = 1U << 24;  // of the small files
  struct stat info {};
  const bool folder = ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
  const std::string at = folder ? path : io_detail::folder_of(path), config = at + "/config.json";
  const Bytes text = read_file(config, most);
  std::vector<Safetensors> files;
  const std::string index = at + "/model.safetensors.index.json";
  if (!folder) {
    files.push_back(Safetensors::read(path));
  } else if (::stat((at + "/model.safetensors").c_str(), &info) == 0) {
    files.push_back(Safetensors::read(at + "/model.safetensors"));
  } else {
    const Bytes parts = read_file(index, most);
    const Json json = Json::parse(as_text(parts), index);
    std::set<std::string> names;
    for (const auto& [tensor, file] : json.at("weight_map").members()) names.insert(file.as<std::string>("weight_map"));
    for (const std::string& name : names) {
      if (name.find('/') != std::string::npos || name.empty() || name[0] == '.')
        throw_io(index, "weight_map", "names of files beside it", quoted(name, 80));
      files.push_back(Safetensors::read(at + "/" + name));
    }
    if (files.empty()) throw_io(index, "weight_map", "at least one file", "none");
  }
  return published_gpt(as_text(text), config, files);
}

}  // namespace tessera::inline TESSERA_ISA
