// Small files of random numbers in the layouts of the hub's GPT-2 and Llama, read back and held against a plain implementation
// that works on the published tensors themselves: doubles, loops and the formulas.
#include <tessera/autoregressive/gpt_published.hpp>

#include <functional>

#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

using Row = std::vector<double>;

struct Source {
  std::string config;
  Safetensors file;

  void add(const std::string& name, const Shape& shape, double scale, double offset = 0) {
    Tensor<float> t(shape);
    Noise{std::hash<std::string>{}(name)}.normal(t.span());
    for (float& x : t.span()) x = static_cast<float>(offset + scale * static_cast<double>(x));
    file.put(name, t);
  }
  Tensor<float> at(const std::string& name) const { return file.get<float>(name); }
  /// x W^T + b, or x W + b when the weight is stored [in, out].
  Row apply(const std::string& name, const Row& x, bool transposed) const {
    const Tensor<float> w = at(name + ".weight");
    const Index out = transposed ? w.extent(1) : w.extent(0), in = transposed ? w.extent(0) : w.extent(1);
    Row y(static_cast<std::size_t>(out));
    const Tensor<float> bias = file.contains(name + ".bias") ? at(name + ".bias") : Tensor<float>();
    for (Index o = 0; o < out; ++o) {
      double s = bias ? static_cast<double>(bias[o]) : 0;
      for (Index i = 0; i < in; ++i)
        s += x[static_cast<std::size_t>(i)] * static_cast<double>(transposed ? w[i * out + o] : w[o * in + i]);
      y[static_cast<std::size_t>(o)] = s;
    }
    return y;
  }
  Row norm(const std::string& name, const Row& x, bool centred, double eps) const {
    const Tensor<float> w = at(name + ".weight");
    double mean = 0, square = 0;
    for (const double v : x) mean += centred ? v / static_cast<double>(x.size()) : 0;
    for (const double v : x) square += (v - mean) * (v - mean) / static_cast<double>(x.size());
    Row y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      y[i] = (x[i] - mean) / std::sqrt(square + eps) * static_cast<double>(w[static_cast<Index>(i)]);
      if (centred) y[i] += static_cast<double>(at(name + ".bias")[static_cast<Index>(i)]);
    }
    return y;
  }
};

/// softmax(q k^T / sqrt(d)) v of the last position over all of them.
Row attend(const Row& q, const std::vector<Row>& k, const std::vector<Row>& v, std::size_t heads,
           std::size_t kv_heads) {
  const std::size_t d = q.size() / heads;
  Row y(q.size(), 0.0);
  for (std::size_t h = 0; h < heads; ++h) {
    const std::size_t g = h / (heads / kv_heads);
    Row weight;
    double sum = 0;
    for (const Row& key : k) {
      double s = 0;
      for (std::size_t i = 0; i < d; ++i) s += q[h * d + i] * key[g * d + i];
      weight.push_back(std::exp(s / std::sqrt(static_cast<double>(d))));
      sum += weight.back();
    }
    for (std::size_t j = 0; j < v.size(); ++j) {
      for (std::size_t i = 0; i < d; ++i) y[h * d + i] += weight[j] / sum * v[j][g * d + i];
    }
  }
  return y;
}
void add(Row& x, const Row& y) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

constexpr Index V = 11, D = 24, layers = 2, heads = 4, kv_heads = 2, hidden = 40, context = 16;

Source gpt2(const std::string& before = "", bool extras = true) {
  Source s;
  s.config =
      R"({"model_type": "gpt2", "vocab_size": 11, "n_positions": 16, "n_ctx": 16, "n_embd": 24, "n_layer": 2, "n_head": 4,
    "activation_function": "gelu_new", "layer_norm_epsilon": 1e-05, "n_inner": null, "architectures": ["GPT2LMHeadModel"]})";
  s.add(before + "wte.weight", {V, D}, 0.5);
  s.add(before + "wpe.weight", {context, D}, 0.5);
  for (Index l = 0; l < layers; ++l) {
    const std::string at = before + "h." + std::to_string(l);
    for (const char* n : {".ln_1", ".ln_2"}) {
      s.add(at + n + ".weight", {D}, 0.3, 1);
      s.add(at + n + ".bias", {D}, 0.3);
    }
    s.add(at + ".attn.c_attn.weight", {D, 3 * D}, 0.3);
    s.add(at + ".attn.c_attn.bias", {3 * D}, 0.3);
    s.add(at + ".attn.c_proj.weight", {D, D}, 0.3);
    s.add(at + ".attn.c_proj.bias", {D}, 0.3);
    s.add(at + ".mlp.c_fc.weight", {D, 4 * D}, 0.3);
    s.add(at + ".mlp.c_fc.bias", {4 * D}, 0.3);
    s.add(at + ".mlp.c_proj.weight", {4 * D, D}, 0.3);
    s.add(at + ".mlp.c_proj.bias", {D}, 0.3);
    if (extras) s.file.put(at + ".attn.bias", Tensor<float>(Shape{1, 1, context, context}, 1.0f));
  }
  s.add(before + "ln_f.weight", {D}, 0.3, 1);
  s.add(before + "ln_f.bias", {D}, 0.3);
  return s;
}
Row gpt2_logits(const Source& s, const std::vector<int>& ids) {
  std::vector<std::vector<Row>> keys(layers), values(layers);
  Row x, logits;
  for (std::size_t t = 0; t < ids.size(); ++t) {
    x.assign(D, 0.0);
    for (Index i = 0; i < D; ++i)
      x[static_cast<std::size_t>(i)] = static_cast<double>(s.at("wte.weight")[ids[t] * D + i]) +
                                       static_cast<double>(s.at("wpe.weight")[static_cast<Index>(t) * D + i]);
    for (std::size_t l = 0; l < layers; ++l) {
      const std::string at = "h." + std::to_string(l);
      const Row qkv = s.apply(at + ".attn.c_attn", s.norm(at + ".ln_1", x, true, 1e-5), true);
      keys[l].emplace_back(qkv.begin() + D, qkv.begin() + 2 * D);
      values[l].emplace_back(qkv.begin() + 2 * D, qkv.end());
      add(x, s.apply(at + ".attn.c_proj", attend(Row(qkv.begin(), qkv.begin() + D), keys[l], values[l], heads, heads),
                     true));
      Row h = s.apply(at + ".mlp.c_fc", s.norm(at + ".ln_2", x, true, 1e-5), true);
      for (double& v : h) v = 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
      add(x, s.apply(at + ".mlp.c_proj", h, true));
    }
  }
  x = s.norm("ln_f", x, true, 1e-5);
  for (Index u = 0; u < V; ++u) {
    double sum = 0;
    for (Index i = 0; i < D; ++i)
      sum += x[static_cast<std::size_t>(i)] * static_cast<double>(s.at("wte.weight")[u * D + i]);
    logits.push_back(sum);
  }
  return logits;
}

Source llama(bool tied) {
  Source s;
  s.config = std::string(R"({"model_type": "llama", "vocab_size": 11, "max_position_embeddings": 16, "hidden_size": 24,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 40, "rms_norm_eps": 1e-05,
    "rope_theta": 500.0, "rope_scaling": null, "hidden_act": "silu", "tie_word_embeddings": )") +
             (tied ? "true}" : "false}");
  s.add("model.embed_tokens.weight", {V, D}, 0.5);
  for (Index l = 0; l < layers; ++l) {
    const std::string at = "model.layers." + std::to_string(l);
    s.add(at + ".input_layernorm.weight", {D}, 0.3, 1);
    s.add(at + ".post_attention_layernorm.weight", {D}, 0.3, 1);
    s.add(at + ".self_attn.q_proj.weight", {D, D}, 0.3);
    s.add(at + ".self_attn.k_proj.weight", {D / 2, D}, 0.3);
    s.add(at + ".self_attn.v_proj.weight", {D / 2, D}, 0.3);
    s.add(at + ".self_attn.o_proj.weight", {D, D}, 0.3);
    s.add(at + ".mlp.gate_proj.weight", {hidden, D}, 0.3);
    s.add(at + ".mlp.up_proj.weight", {hidden, D}, 0.3);
    s.add(at + ".mlp.down_proj.weight", {D, hidden}, 0.3);
    s.add(at + ".self_attn.rotary_emb.inv_freq", {D / heads / 2}, 1);
  }
  s.add("model.norm.weight", {D}, 0.3, 1);
  s.add("lm_head.weight", {V, D}, 0.5);
  return s;
}
/// Halves of each head are the two parts of complex numbers, as the hub's Llama has them.
Row turned(Row x, std::size_t position) {
  constexpr std::size_t d = D / heads, half = d / 2;
  for (std::size_t h = 0; h < x.size() / d; ++h) {
    for (std::size_t i = 0; i < half; ++i) {
      const double a = static_cast<double>(position) * std::pow(500.0, -2.0 * static_cast<double>(i) / d);
      const double u = x[h * d + i], v = x[h * d + half + i];
      x[h * d + i] = u * std::cos(a) - v * std::sin(a);
      x[h * d + half + i] = v * std::cos(a) + u * std::sin(a);
    }
  }
  return x;
}
Row llama_logits(const Source& s, const std::vector<int>& ids, bool tied) {
  std::vector<std::vector<Row>> keys(layers), values(layers);
  Row x;
  for (std::size_t t = 0; t < ids.size(); ++t) {
    x.assign(D, 0.0);
    for (Index i = 0; i < D; ++i)
      x[static_cast<std::size_t>(i)] = static_cast<double>(s.at("model.embed_tokens.weight")[ids[t] * D + i]);
    for (std::size_t l = 0; l < layers; ++l) {
      const std::string at = "model.layers." + std::to_string(l);
      const Row n = s.norm(at + ".input_layernorm", x, false, 1e-5);
      keys[l].push_back(turned(s.apply(at + ".self_attn.k_proj", n, false), t));
      values[l].push_back(s.apply(at + ".self_attn.v_proj", n, false));
      add(x,
          s.apply(at + ".self_attn.o_proj",
                  attend(turned(s.apply(at + ".self_attn.q_proj", n, false), t), keys[l], values[l], heads, kv_heads),
                  false));
      const Row m = s.norm(at + ".post_attention_layernorm", x, false, 1e-5);
      Row gate = s.apply(at + ".mlp.gate_proj", m, false);
      const Row up = s.apply(at + ".mlp.up_proj", m, false);
      for (std::size_t i = 0; i < gate.size(); ++i) gate[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
      add(x, s.apply(at + ".mlp.down_proj", gate, false));
    }
  }
  x = s.norm("model.norm", x, false, 1e-5);
  Row logits;
  const Tensor<float> head = s.at(tied ? "model.embed_tokens.weight" : "lm_head.weight");
  for (Index u = 0; u < V; ++u) {
    double sum = 0;
    for (Index i = 0; i < D; ++i) sum += x[static_cast<std::size_t>(i)] * static_cast<double>(head[u * D + i]);
    logits.push_back(sum);
  }
  return logits;
}

const std::vector<int> ids = {3, 1, 4, 1, 5, 9, 2, 6, 10, 0};

void check_logits(const GptModel& model, const Row& wanted) {
  Tensor<std::int32_t> batch(Shape{1, static_cast<Index>(ids.size())});
  for (std::size_t i = 0; i < ids.size(); ++i) batch.data()[i] = ids[i];
  const Tensor<float> logits = (*model.net)(batch);
  for (std::size_t u = 0; u < V; ++u)
    CHECK(static_cast<double>(logits.span()[(ids.size() - 1) * V + u]) == Approx(wanted[u]).margin(2e-4).epsilon(1e-4));
}
std::string message(const Source& s) {
  try {
    published_gpt(s.config, "config.json", {s.file});
  } catch (const io_error& e) { return e.what(); }
  return "none";
}
void check_message(const Source& s, const char* part) {
  const std::string m = message(s);
  INFO(m);
  CHECK(m.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("GPT-2 as it is published computes what its formulas say", "[autoregressive]") {
  const Source s = gpt2();
  const Row wanted = gpt2_logits(s, ids);
  check_logits(published_gpt(s.config, "config.json", {s.file}), wanted);
  // the same tensors behind `transformer.`
  Source named = s;
  named.file = Safetensors();
  for (const std::string& n : s.file.names()) named.file.put("transformer." + n, s.at(n));
  named.file.put("lm_head.weight", s.at("wte.weight"));
  check_logits(published_gpt(named.config, "config.json", {named.file}), wanted);
}

TEST_CASE("Llama as it is published computes what its formulas say", "[autoregressive]") {
  for (const bool tied : {false, true}) {
    const Source s = llama(tied);
    check_logits(published_gpt(s.config, "config.json", {s.file}), llama_logits(s, ids, tied));
  }
}

TEST_CASE("a published folder is found whole or in parts", "[autoregressive]") {
  const Source s = llama(false);
  const Row wanted = llama_logits(s, ids, false);
  const test::Scratch folder;
  write_file(folder / "config.json", as_bytes(s.config));
  CHECK_THROWS_AS(load_published_gpt(folder.path()), io_error);
  s.file.write(folder / "model.safetensors");
  check_logits(load_published_gpt(folder.path()), wanted);
  check_logits(load_published_gpt(folder / "model.safetensors"), wanted);

  const test::Scratch parts;
  write_file(parts / "config.json", as_bytes(s.config));
  Safetensors part[2];
  Json map = Json::object();
  std::size_t i = 0;
  for (const std::string& n : s.file.names()) {
    part[i % 2].put(n, s.at(n));
    map.set(n, i++ % 2 == 0 ? "a.safetensors" : "b.safetensors");
  }
  part[0].write(parts / "a.safetensors");
  part[1].write(parts / "b.safetensors");
  Json index = Json::object();
  index.set("weight_map", map);
  write_file(parts / "model.safetensors.index.json", as_bytes(index.dump()));
  check_logits(load_published_gpt(parts.path()), wanted);
  index.set("weight_map", Json::object().set("x", "../a.safetensors"));
  write_file(parts / "model.safetensors.index.json", as_bytes(index.dump()));
  CHECK_THROWS_AS(load_published_gpt(parts.path()), io_error);
}

TEST_CASE("what does not fit is listed, and nothing is loaded", "[autoregressive]") {
  Source s = gpt2();
  s.file.erase("h.1.ln_2.bias");
  s.file.put("h.0.attn.c_proj.weight", Tensor<float>(Shape{D, D + 1}, 0.0f));
  s.file.put("surplus", Tensor<float>(Shape{2}, 0.0f));
  check_message(s, "h.1.ln_2.bias");
  check_message(s, "[24, 24], found [24, 25]");
  check_message(s, "surplus");

  const auto with = [](Source from, const char* was, const char* is) {
    const std::size_t at = from.config.find(was);
    REQUIRE(at != std::string::npos);
    from.config.replace(at, std::string(was).size(), is);
    return from;
  };
  check_message(with(gpt2(), "gelu_new", "relu"), "activation_function");
  check_message(with(gpt2(), "\"gpt2\"", "\"bert\""), "model_type");
  check_message(with(gpt2(), "\"n_head\": 4", "\"n_head\": 5"), "heads");
  check_message(with(gpt2(), "\"n_layer\": 2", "\"n_layer\": 1000"), "h.2.mlp.c_fc.weight");
  check_message(with(gpt2(), "\"vocab_size\": 11", "\"vocab_size\": 12"), "wte.weight");
  check_message(with(llama(false), "\"rope_scaling\": null", "\"rope_scaling\": {\"type\": \"yarn\"}"), "rope_scaling");
  check_message(with(llama(false), "\"rms_norm_eps\"", "\"head_dim\": 7, \"rms_norm_eps\""), "head_dim");
  check_message(with(llama(false), "\"rms_norm_eps\"", "\"mlp_bias\": true, \"rms_norm_eps\""), "mlp_bias");
  check_message(with(llama(false), "silu", "gelu"), "hidden_act");

  // base and scaling as newer files have them
  const std::string old = "\"rope_theta\": 500.0, \"rope_scaling\": null";
  check_message(with(llama(false), old.c_str(), "\"rope_parameters\": {\"rope_type\": \"yarn\"}"), "rope_parameters");
  const Source newer =
      with(llama(false), old.c_str(), "\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 500.0}");
  check_logits(published_gpt(newer.config, "config.json", {newer.file}), llama_logits(llama(false), ids, false));

  // half a megabyte that asks for 64 gigabytes
  Safetensors thin;
  const auto zeros = [](Index rows, Index cols) { return Tensor<float>(Shape{rows, cols}, 0.f); };
  thin.put("wte.weight", zeros(1, 65536));
  thin.put("wpe.weight", zeros(1, 65536));
  thin.put("h.0.mlp.c_fc.weight", zeros(65536, 1));
  const char* const wide =
      R"({"model_type": "gpt2", "vocab_size": 1, "n_positions": 1, "n_embd": 65536, "n_layer": 1, "n_head": 1,
    "n_inner": 1})";
  try {
    published_gpt(wide, "config.json", {thin});
    FAIL("it was read");
  } catch (const io_error& e) {
    CHECK(std::string(e.what()).find("a network that fits the tensors") != std::string::npos);
  }
}
