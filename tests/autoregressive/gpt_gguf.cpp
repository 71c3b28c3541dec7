// A GGUF file as a converter writes it, made here from a small network, and back: the same logits, to the bit where the weights
// are the same ones.
#include <tessera/autoregressive/gpt_gguf.hpp>

#include "tests/io/gguf_bytes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/nudge.hpp"

using namespace tessera;
using test::GgufBytes;

namespace {

GptConfig gpt2_config() {
  return {.vocabulary = 37, .context = 16, .layers = 2, .heads = 4, .width = 64, .hidden = 96};
}
GptConfig llama_config(bool tied) {
  return {.vocabulary = 37,
          .context = 16,
          .layers = 2,
          .heads = 4,
          .width = 64,
          .kv_heads = 2,
          .hidden = 96,
          .positions = GptPositions::rotary,
          .norm = GptNorm::rms,
          .mlp = GptMlp::swiglu,
          .bias = false,
          .tied = tied,
          .rotary_base = 500};
}
Gpt<float> random_net(const GptConfig& c) {
  Rng rng(5);
  Gpt<float> net(c, rng);
  testing::nudge(net, 0.15, rng);  // biases and gains that matter, weights that are not tiny
  return net;
}

/// The rows of one matrix as `type` stores them.
Bytes stored(const Tensor<float>& t, GgufType type) {
  Bytes out;
  const Index width = t.shape().back();
  for (Index r = 0; r < t.size() / width; ++r) {
    const float* row = std::as_const(t).data() + r * width;
    if (type == GgufType::f32) {
      for (Index i = 0; i < width; ++i) append_little(out, row[i]);
    } else if (type == GgufType::f16) {
      for (Index i = 0; i < width; ++i) append_little(out, f16_from_float(row[i]));
    } else {
      Bytes blocks(static_cast<std::size_t>(type == GgufType::q8_0 ? kernel::published_bytes<kernel::Q8>(width)
                                                                   : kernel::published_bytes<kernel::Q4>(width)));
      if (type == GgufType::q8_0)
        kernel::quantize(kernel::Q8{}, row, width, blocks.data());
      else
        kernel::quantize(kernel::Q4{}, row, width, blocks.data());
      append(out, blocks);
    }
  }
  return out;
}

/// What the converters do to queries and keys: [heads, 2, half, in] becomes [heads, half, 2, in].
Tensor<float> reordered(const Tensor<float>& w, Index heads) {
  const Index in = w.extent(1), half = w.extent(0) / heads / 2;
  Tensor<float> out(w.shape());
  for (Index h = 0; h < heads; ++h)
    for (Index p = 0; p < 2; ++p)
      for (Index i = 0; i < half; ++i)
        for (Index k = 0; k < in; ++k)
          out.data()[((h * half + i) * 2 + p) * in + k] = w[((h * 2 + p) * half + i) * in + k];
  return out;
}

struct Written {
  GgufType type = GgufType::f32;
  bool output_copy = false;   // a tied head written out all the same
  std::string left_out = {};  // a tensor that is not there
  std::string widened = {};   // a tensor with a row too many
  std::uint64_t blocks = 2, heads = 4;
  std::string architecture = {};  // another one
  std::string scaling = {};
  GgufType value_type = GgufType::f32;  // of attn_v, when `mixed`
  bool mixed = false;

  Bytes of(const Gpt<float>& net) const {
    const GptConfig& c = net.config;
    const bool gpt2 = c.positions == GptPositions::learned;
    const std::string name = gpt2 ? "gpt2" : "llama";
    GgufBytes f;
    f.text("general.architecture", architecture.empty() ? name : architecture);
    const auto number = [&](const char* key, std::uint64_t value) {
      f.number(name + "." + key, GgufKind::u32, static_cast<std::uint32_t>(value));
    };
    number("context_length", static_cast<std::uint64_t>(c.context));
    number("embedding_length", static_cast<std::uint64_t>(c.width));
    number("block_count", blocks);
    number("feed_forward_length", static_cast<std::uint64_t>(c.mlp_width()));
    number("attention.head_count", heads);
    if (!gpt2) {
      number("attention.head_count_kv", static_cast<std::uint64_t>(c.key_heads()));
      number("rope.dimension_count", static_cast<std::uint64_t>(c.head_width()));
      f.number("llama.rope.freq_base", GgufKind::f32, static_cast<float>(c.rotary_base));
      f.number("llama.attention.layer_norm_rms_epsilon", GgufKind::f32, static_cast<float>(c.epsilon));
      if (!scaling.empty()) f.text("llama.rope.scaling.type", scaling);
    } else {
      f.number("gpt2.attention.layer_norm_epsilon", GgufKind::f32, static_cast<float>(c.epsilon));
    }
    const auto put = [&](const std::string& tensor, Tensor<float> t, bool matrix) {
      if (tensor == left_out) return;
      if (tensor == widened) t = concat({t, slice(t, 0, 0, 1)}, 0);
      std::vector<std::uint64_t> extents;
      for (int i = t.rank() - 1; i >= 0; --i) extents.push_back(static_cast<std::uint64_t>(t.extent(i)));
      GgufType as = matrix ? type : GgufType::f32;
      if (mixed && tensor.find("attn_v") != std::string::npos) as = value_type;
      f.tensor(tensor, extents, as, stored(t, as));
    };
    const auto norm = [&](const std::string& tensor, const GptNormLayer<float>& n) {
      put(tensor + ".weight", n.weight.value, false);
      if (n.bias) put(tensor + ".bias", n.bias->value, false);
    };
    const auto layer = [&](const std::string& tensor, const Linear<float>& l) {
      put(tensor + ".weight", l.weight.value, true);
      if (l.bias) put(tensor + ".bias", l.bias->value, false);
    };
    put("token_embd.weight", net.embedding.weight.value, true);
    if (net.positions) put("position_embd.weight", net.positions->weight.value, false);
    for (std::size_t i = 0; i < net.blocks.size(); ++i) {
      const auto& b = net.blocks[i];
      const auto& a = b.attention;
      const std::string at = "blk." + std::to_string(i);
      norm(at + ".attn_norm", b.norm1);
      norm(at + ".ffn_norm", b.norm2);
      if (gpt2) {
        put(at + ".attn_qkv.weight", concat({a.query.weight.value, a.key.weight.value, a.value.weight.value}, 0), true);
        put(at + ".attn_qkv.bias", concat({a.query.bias->value, a.key.bias->value, a.value.bias->value}, 0), false);
      } else {
        put(at + ".attn_q.weight", reordered(a.query.weight.value, c.heads), true);
        put(at + ".attn_k.weight", reordered(a.key.weight.value, c.key_heads()), true);
        put(at + ".attn_v.weight", a.value.weight.value, true);
      }
      layer(at + ".attn_output", a.output);
      if (b.mlp.gate) layer(at + ".ffn_gate", *b.mlp.gate);
      layer(at + ".ffn_up", b.mlp.up);
      layer(at + ".ffn_down", b.mlp.down);
    }
    norm("output_norm", net.norm);
    if (net.head) put("output.weight", net.head->weight.value, true);
    if (output_copy) put("output.weight", net.embedding.weight.value, true);
    return f.bytes();
  }
};

GgufGpt parsed(const Bytes& bytes) { return GgufGpt(Gguf::parse(bytes, "tiny.gguf")); }

std::vector<float> logits_of(const GptDecoder& d) {
  auto state = d.begin({3, 1, 4, 1, 5});
  for (const Unit u : {9, 2, 36, 5}) d.next(state, u);
  return {state.logits().begin(), state.logits().end()};
}
double greatest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(static_cast<double>(a[i] - b[i])));
  return most;
}
std::string message(const Bytes& bytes) {
  try {
    parsed(bytes);
  } catch (const io_error& e) { return e.what(); }
  return "none";
}
void check_message(const Bytes& bytes, const char* part) {
  const std::string m = message(bytes);
  INFO(m);
  CHECK(m.find(part) != std::string::npos);
  CHECK(m.find("tiny.gguf") != std::string::npos);
}

}  // namespace

TEST_CASE("a GGUF file in F32 gives the network it was made of", "[autoregressive]") {
  for (const GptConfig& c : {gpt2_config(), llama_config(true), llama_config(false)}) {
    const Gpt<float> net = random_net(c);
    const GgufGpt file = parsed(Written{}.of(net));
    const std::vector<float> wanted = logits_of(GptDecoder(net));
    CHECK(logits_of(GptDecoder(*file.model().net)) == wanted);
    CHECK(logits_of(GptDecoder(file.decoder_weights())) == wanted);
    CHECK(file.config().tied == c.tied);
  }
}

TEST_CASE("a GGUF file's halves and blocks are used as they are", "[autoregressive]") {
  struct Case {
    GgufType type;
    WeightFormat format;
    double off;  // of logits, from those of the floats: several times what rounding gives here
  };
  for (const Case& t : {Case{GgufType::f16, WeightFormat::f16, 0.02},
                        {GgufType::q8_0, WeightFormat::q8, 0.2},
                        {GgufType::q4_0, WeightFormat::q4, 3.0}}) {
    INFO(name_of(t.type));
    for (const GptConfig& c : {gpt2_config(), llama_config(true)}) {
      const Gpt<float> net = random_net(c);
      const GgufGpt file = parsed(Written{.type = t.type}.of(net));
      const GptDecoderWeights w = file.decoder_weights();
      CHECK(w.layers[0].query_key_value.format() == t.format);
      CHECK(w.layers[1].down.format() == t.format);
      CHECK(w.head.format() == t.format);
      const std::vector<float> found = logits_of(GptDecoder(w)), floats = logits_of(GptDecoder(net));
      CHECK(found == logits_of(GptDecoder(net, {.weights = t.format})));  // the same blocks: the same bits
      const double off = greatest_difference(found, floats);
      CHECK(off > 0);
      CHECK(off < t.off);
      // as floats the weights are the same, only what is multiplied with them is not rounded
      CHECK(greatest_difference(logits_of(GptDecoder(*file.model().net)), found) < 0.01);
    }
  }
}

TEST_CASE("a head of its own, or a copy of the embedding", "[autoregressive]") {
  const Gpt<float> net = random_net(gpt2_config());
  const GgufGpt copy = parsed(Written{.type = GgufType::q8_0, .output_copy = true}.of(net));
  CHECK(copy.config().tied);
  CHECK(logits_of(GptDecoder(copy.decoder_weights())) == logits_of(GptDecoder(net, {.weights = WeightFormat::q8})));
  const GgufGpt own = parsed(Written{.type = GgufType::q8_0}.of(random_net(llama_config(false))));
  CHECK_FALSE(own.config().tied);
  CHECK(greatest_difference(logits_of(GptDecoder(own.decoder_weights())),
                            logits_of(GptDecoder(random_net(llama_config(false))))) < 0.2);
}

TEST_CASE("matrices that are read together but stored apart become floats", "[autoregressive]") {
  const Gpt<float> net = random_net(llama_config(true));
  const GgufGpt file = parsed(Written{.type = GgufType::q8_0, .value_type = GgufType::f16, .mixed = true}.of(net));
  const GptDecoderWeights w = file.decoder_weights();
  CHECK(w.layers[0].query_key_value.format() == WeightFormat::f32);
  CHECK(w.layers[0].output.format() == WeightFormat::q8);
  CHECK(greatest_difference(logits_of(GptDecoder(w)), logits_of(GptDecoder(net))) < 0.2);
}

TEST_CASE("what does not fit in a GGUF file is listed", "[autoregressive]") {
  const Gpt<float> gpt2 = random_net(gpt2_config()), llama = random_net(llama_config(true));
  check_message(Written{.left_out = "blk.1.ffn_norm.bias"}.of(gpt2), "blk.1.ffn_norm.bias");
  check_message(Written{.left_out = "token_embd.weight"}.of(gpt2), "token_embd.weight");
  check_message(Written{.widened = "blk.0.attn_k.weight"}.of(llama), "[32, 64], found [33, 64]");
  check_message(Written{.blocks = 1}.of(llama), "blk.1.");
  check_message(Written{.blocks = 1000}.of(llama), "block_count");
  check_message(Written{.blocks = 0}.of(llama), "layers");
  check_message(Written{.blocks = 4000000000}.of(llama), "layers");
  check_message(Written{.heads = 3}.of(llama), "heads");
  check_message(Written{.heads = 8}.of(llama), "rope.dimension_count");
  check_message(Written{.architecture = "falcon"}.of(gpt2), "falcon");
  check_message(Written{.architecture = "llama"}.of(gpt2), "llama.context_length");
  check_message(Written{.scaling = "yarn"}.of(llama), "rope.scaling.type");
}

TEST_CASE("a broken GGUF model is refused wherever it breaks", "[autoregressive]") {
  const GptConfig small{.vocabulary = 5, .context = 4, .layers = 1, .heads = 2, .width = 32, .hidden = 32};
  const Bytes whole = Written{.type = GgufType::q4_0, .blocks = 1, .heads = 2}.of(random_net(small));
  REQUIRE(message(whole) == "none");
  for (std::size_t size = 0; size < whole.size(); size += 1 + size / 7) {
    INFO(size);
    CHECK(message(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))) != "none");
  }
  std::size_t loaded = 0;  // a byte changed: refused by an error of ours, or a model that runs
  for (std::size_t at = 0; at < 1500; ++at) {
    Bytes bytes = whole;
    bytes[at] ^= static_cast<std::uint8_t>(1U << at % 8);
    try {
      const GgufGpt file = parsed(bytes);
      const GptDecoder decoder(file.decoder_weights());
      decoder.begin({0, 1});
      ++loaded;
    } catch (const error&) { continue; }
  }
  CHECK(loaded > 0);
}

TEST_CASE("a GGUF file whose halves are not numbers is refused by the tensor's name", "[autoregressive]") {
  Gpt<float> net = random_net(gpt2_config());
  net.blocks[1].mlp.up.weight.value.data()[5] = std::numeric_limits<float>::infinity();
  Written w;
  w.type = GgufType::f16;
  const GgufGpt file = parsed(w.of(net));
  try {
    file.decoder_weights();
    FAIL("it was read");
  } catch (const io_error& e) {
    INFO(e.what());
    CHECK(std::string(e.what()).find("blk.1.ffn_up.weight") != std::string::npos);
  }
}
