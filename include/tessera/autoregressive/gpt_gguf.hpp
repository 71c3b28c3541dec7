// GPT-2 and Llama out of GGUF files (io/gguf.hpp), as llama.cpp's converters write them, weights in F32, F16, BF16, Q8_0 or Q4_0.
//
//   const GgufGpt file = GgufGpt::read("tinyllama-q4_0.gguf");
//   GptDecoder model(file.decoder_weights());             // the weights as they are stored: blocks stay blocks
//   GptModel same = file.model();                         // as floats: to train on, or to store otherwise
//   Bpe bpe = gguf_tokenizer(file.file());                // unit/gguf_tokenizer.hpp
//
//   in the file                                        here
//   token_embd.weight [V, D]                           embedding.weight
//   position_embd.weight [context, D], GPT-2           positions.weight
//   blk.0.attn_norm, blk.0.ffn_norm                    blocks.0.norm1, norm2
//   blk.0.attn_qkv [3 D, D], GPT-2                     blocks.0.attention.query, key, value, one after another
//   blk.0.attn_q, attn_k, attn_v, Llama                blocks.0.attention.query, key, value; query and key reordered
//   blk.0.attn_output                                  blocks.0.attention.output
//   blk.0.ffn_up, ffn_gate (Llama), ffn_down           blocks.0.mlp.up, gate, down
//   output_norm                                        norm
//   output.weight                                      head.weight; the same bytes as token_embd, or none: tied
//
// Rotary positions turn pairs of numbers: 2i and 2i + 1 of a head in a GGUF file, i and i + d/2 here and on the hub. The
// converters reorder the rows of query and key for it; that is undone here, row by row, which blocks do not mind.
#pragma once

#include <tessera/autoregressive/gpt_decoder.hpp>
#include <tessera/autoregressive/gpt_file.hpp>
#include <tessera/io/gguf.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {

/// The settings of a GGUF file as a config. Refuses what this network cannot do.
class GgufConfig {
 public:
  explicit GgufConfig(const Gguf& file) : file_(file), architecture_(file.settings.text("general.architecture")) {}

  GptConfig read() const {
    GptConfig c;
    const Shape& embedding = file_.shape("token_embd.weight");
    if (embedding.rank() != 2) fail("tensor \"token_embd.weight\"", "[vocabulary, width]", embedding.to_string());
    c.vocabulary = embedding[0];
    c.context = number("context_length");
    c.width = number("embedding_length");
    c.layers = number("block_count");
    c.heads = number("attention.head_count");
    c.hidden = number("feed_forward_length");
    c.tied = !file_.contains("output.weight") || same("output.weight", "token_embd.weight");
    if (architecture_ == "gpt2")
      c.epsilon = real("attention.layer_norm_epsilon", 1e-5);
    else if (architecture_ == "llama")
      llama(c);
    else
      fail("setting \"general.architecture\"", "gpt2 or llama", quoted(architecture_, 60));
    check_gpt_config(file_.source(), c);
    if (c.positions == GptPositions::rotary) check_head(c);
    return c;
  }

 private:
  [[noreturn]] void fail(const std::string& field, const std::string& wanted, const std::string& found) const {
    throw_io(file_.source(), field, wanted, found);
  }
  std::string key(const char* name) const { return architecture_ + "." + name; }
  Index number(const char* name) const { return file_.settings.integer(key(name)); }
  Index number(const char* name, Index otherwise) const {
    return file_.settings.contains(key(name)) ? number(name) : otherwise;
  }
  double real(const char* name, double otherwise) const {
    return file_.settings.contains(key(name)) ? file_.settings.number(key(name)) : otherwise;
  }
  bool same(const char* a, const char* b) const {
    const auto x = file_.bytes(a), y = file_.bytes(b);
    return file_.type(a) == file_.type(b) && file_.shape(a) == file_.shape(b) && x.size() == y.size() &&
           std::memcmp(x.data(), y.data(), x.size()) == 0;
  }

  void llama(GptConfig& c) const {
    c.positions = GptPositions::rotary;
    c.norm = GptNorm::rms;
    c.mlp = GptMlp::swiglu;
    c.kv_heads = number("attention.head_count_kv", 0);
    if (c.kv_heads == c.heads) c.kv_heads = 0;
    c.epsilon = real("attention.layer_norm_rms_epsilon", 1e-5);
    c.rotary_base = real("rope.freq_base", 10000);
    c.bias = file_.contains("blk.0.attn_q.bias");
    if (const Index experts = number("expert_count", 0); experts != 0)
      fail("setting " + quoted(key("expert_count")), "0: this network has no experts", std::to_string(experts));
    if (const std::string scaling = key("rope.scaling.type");
        file_.settings.contains(scaling) && file_.settings.text(scaling) != "none")
      fail("setting " + quoted(scaling), "none: scaled rotary positions are not supported",
           quoted(file_.settings.text(scaling), 60));
    if (const double scale = real("rope.scale_linear", 1); scale != 1)
      fail("setting " + quoted(key("rope.scale_linear")), "1", std::to_string(scale));
  }
  void check_head(const GptConfig& c) const {
    for (const char* name : {"rope.dimension_count", "attention.key_length", "attention.value_length"}) {
      if (const Index found = number(name, c.head_width()); found != c.head_width())
        fail("setting " + quoted(key(name)), std::to_string(c.head_width()) + ", embedding_length / head_count",
             std::to_string(found));
    }
  }

  const Gguf& file_;
  std::string architecture_;
};

/// A tensor that the file has to have.
struct GgufWanted {
  std::string name;
  Shape shape;
};

inline std::vector<GgufWanted> gguf_wanted(const GptConfig& c) {
  std::vector<GgufWanted> all;
  const Index D = c.width, kv = c.key_heads() * c.head_width(), hidden = c.mlp_width();
  const auto norm = [&](const std::string& name) {
    all.push_back({name + ".weight", {D}});
    if (c.norm == GptNorm::layer) all.push_back({name + ".bias", {D}});
  };
  const auto layer = [&](const std::string& name, Index out, Index in) {
    all.push_back({name + ".weight", {out, in}});
    if (c.bias) all.push_back({name + ".bias", {out}});
  };
  all.push_back({"token_embd.weight", {c.vocabulary, D}});
  if (c.positions == GptPositions::learned) all.push_back({"position_embd.weight", {c.context, D}});
  for (Index i = 0; i < c.layers; ++i) {
    const std::string at = "blk." + std::to_string(i);
    norm(at + ".attn_norm");
    if (c.positions == GptPositions::learned) {
      layer(at + ".attn_qkv", 3 * D, D);
    } else {
      layer(at + ".attn_q", D, D);
      layer(at + ".attn_k", kv, D);
      layer(at + ".attn_v", kv, D);
    }
    layer(at + ".attn_output", D, D);
    norm(at + ".ffn_norm");
    if (c.mlp == GptMlp::swiglu) layer(at + ".ffn_gate", hidden, D);
    layer(at + ".ffn_up", hidden, D);
    layer(at + ".ffn_down", D, hidden);
  }
  norm("output_norm");
  if (!c.tied) all.push_back({"output.weight", {c.vocabulary, D}});
  return all;
}

}  // namespace detail

class GgufGpt {
 public:
  /// Throws io_error for a model of another kind; where tensors differ, it lists the first of them.
  explicit GgufGpt(Gguf file) : file_(std::move(file)), config_(detail::GgufConfig(file_).read()) {
    if (!file_.contains("blk." + std::to_string(config_.layers - 1) + ".ffn_down.weight"))  // before a list is made
      throw_io(file_.source(), "setting block_count", "the number of blocks", std::to_string(config_.layers));
    detail::Differences differences(file_.source());
    std::map<std::string, const Shape*> wanted;
    const auto all = detail::gguf_wanted(config_);
    for (const auto& w : all) {
      wanted[w.name] = &w.shape;
      if (!file_.contains(w.name))
        differences.add(w.name, w.shape.to_string(), "no such tensor");
      else if (file_.shape(w.name) != w.shape)
        differences.add(w.name, w.shape.to_string(), file_.shape(w.name).to_string());
    }
    for (const std::string& name : file_.names()) {
      if (!wanted.contains(name) && name != "output.weight")
        differences.add(name, "no such tensor", file_.shape(name).to_string());
    }
    differences.finish();
  }
  static GgufGpt read(const std::string& path) { return GgufGpt(Gguf::read(path)); }

  const GptConfig& config() const { return config_; }
  const Gguf& file() const { return file_; }

  /// The network with float weights. Takes as much memory as these: for Q4_0 seven times the file.
  GptModel model() const {
    Rng rng(0);
    GptModel m{std::make_shared<Gpt<float>>(config_, rng), {}, {}};
    Gpt<float>& net = *m.net;
    const auto norm = [&](GptNormLayer<float>& n, const std::string& name) {
      n.weight.value = file_.get(name + ".weight");
      if (n.bias) n.bias->value = file_.get(name + ".bias");
    };
    const auto layer = [&](Linear<float>& l, const Part& part, Index from = 0, Index rows = 0) {
      const auto piece = [&](const Tensor<float>& whole) {
        return rows == 0 ? whole : slice(whole, 0, from, from + rows);
      };
      l.weight.value = piece(floats(part, ".weight"));
      if (l.bias) l.bias->value = piece(floats(part, ".bias"));
    };
    net.embedding.weight.value = file_.get("token_embd.weight");
    if (net.positions) net.positions->weight.value = file_.get("position_embd.weight");
    for (std::size_t i = 0; i < net.blocks.size(); ++i) {
      GptBlock<float>& b = net.blocks[i];
      const std::string at = block(i);
      norm(b.norm1, at + "attn_norm");
      const auto qkv = attention_parts(at);
      Linear<float>* parts[] = {&b.attention.query, &b.attention.key, &b.attention.value};
      for (Index p = 0; p < 3; ++p) {
        if (qkv.size() == 1)
          layer(*parts[p], qkv[0], p * config_.width, config_.width);
        else
          layer(*parts[p], qkv[static_cast<std::size_t>(p)]);
      }
      layer(b.attention.output, {at + "attn_output"});
      norm(b.norm2, at + "ffn_norm");
      if (b.mlp.gate) layer(*b.mlp.gate, {at + "ffn_gate"});
      layer(b.mlp.up, {at + "ffn_up"});
      layer(b.mlp.down, {at + "ffn_down"});
    }
    norm(net.norm, "output_norm");
    if (net.head) net.head->weight.value = file_.get("output.weight");
    return m;
  }

  /// What a GptDecoder is made of, each matrix in the format the file has it in. Matrices that are read together but
  /// stored in different formats, and BF16, become floats. Throws io_error for halves that are not finite.
  GptDecoderWeights decoder_weights() const {
    GptDecoderWeights w;
    const auto norm = [&](const std::string& name) {
      return GptDecoderWeights::Norm{file_.get(name + ".weight"),
                                     config_.norm == GptNorm::layer ? file_.get(name + ".bias") : Tensor<float>()};
    };
    w.config = config_;
    w.head = together({{config_.tied ? "token_embd" : "output"}}, false);
    if (!config_.tied) w.embedding = file_.get("token_embd.weight");
    if (config_.positions == GptPositions::learned) w.positions = file_.get("position_embd.weight");
    for (std::size_t i = 0; i < static_cast<std::size_t>(config_.layers); ++i) {
      const std::string at = block(i);
      std::vector<Part> up;
      if (config_.mlp == GptMlp::swiglu) up.push_back({at + "ffn_gate"});
      up.push_back({at + "ffn_up"});
      w.layers.push_back({norm(at + "attn_norm"), together(attention_parts(at), config_.bias),
                          together({{at + "attn_output"}}, config_.bias), norm(at + "ffn_norm"),
                          together(up, config_.bias), together({{at + "ffn_down"}}, config_.bias)});
    }
    w.norm = norm("output_norm");
    return w;
  }

 private:
  /// A layer's tensors; `heads` when its rows were reordered for rotary positions, 0 when not.
  struct Part {
    std::string name;
    Index heads = 0;
  };

  static std::string block(std::size_t i) { return "blk." + std::to_string(i) + "."; }
  std::vector<Part> attention_parts(const std::string& at) const {
    if (config_.positions == GptPositions::learned) return {{at + "attn_qkv"}};
    return {{at + "attn_q", config_.heads}, {at + "attn_k", config_.key_heads()}, {at + "attn_v"}};
  }

  /// Where row r of ours stands in the file, of `rows`.
  static Index stored_row(Index r, Index rows, Index heads) {
    if (heads == 0) return r;
    const Index width = rows / heads, half = width / 2, in_head = r % width;
    return r - in_head + 2 * (in_head % half) + in_head / half;
  }

  Tensor<float> floats(const Part& part, const char* what) const {
    const Tensor<float> stored = file_.get(part.name + what);
    if (part.heads == 0) return stored;
    const Index rows = stored.extent(0), width = stored.size() / rows;
    Tensor<float> ours(stored.shape());
    for (Index r = 0; r < rows; ++r)
      std::memcpy(ours.data() + r * width, stored.data() + stored_row(r, rows, part.heads) * width,
                  static_cast<std::size_t>(width) * sizeof(float));
    return ours;
  }

  QuantizedLinear together(const std::vector<Part>& parts, bool biased) const {
    const std::string first = parts[0].name + ".weight";
    const GgufType type = file_.type(first);
    const Index in = file_.shape(first)[1];
    Index out = 0;
    bool one_type = true;
    std::vector<Tensor<float>> biases;
    for (const Part& p : parts) {
      one_type = one_type && file_.type(p.name + ".weight") == type;
      out += file_.shape(p.name + ".weight")[0];
      if (biased) biases.push_back(floats(p, ".bias"));
    }
    const Tensor<float> bias = biased ? concat(std::span<const Tensor<float>>(biases), 0) : Tensor<float>();
    if (one_type && (type == GgufType::q8_0 || type == GgufType::q4_0)) {
      Bytes blocks;
      for (const Part& p : parts) {
        const auto stored = file_.bytes(p.name + ".weight");
        const Index rows = file_.shape(p.name + ".weight")[0];
        const std::size_t row = stored.size() / static_cast<std::size_t>(rows);
        for (Index r = 0; r < rows; ++r) {
          const auto from = stored.subspan(static_cast<std::size_t>(stored_row(r, rows, p.heads)) * row, row);
          blocks.insert(blocks.end(), from.begin(), from.end());
        }
      }
      return QuantizedLinear::from_blocks(out, in, blocks, bias,
                                          type == GgufType::q8_0 ? WeightFormat::q8 : WeightFormat::q4);
    }
    std::vector<Tensor<float>> weights;
    for (const Part& p : parts) weights.push_back(floats(p, ".weight"));
    try {
      return QuantizedLinear(concat(std::span<const Tensor<float>>(weights), 0), bias,
                             one_type && type == GgufType::f16 ? WeightFormat::f16 : WeightFormat::f32);
    } catch (const number_error& e) {
      throw io_error(printable(file_.source(), 400) + ": tensor " + quoted(first) + ": " + e.what());
    }
  }

  Gguf file_;
  GptConfig config_;
};

}  // namespace tessera::inline TESSERA_ISA
