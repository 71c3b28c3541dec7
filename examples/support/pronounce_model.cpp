#include "examples/support/pronounce_model.hpp"

#include <algorithm>

#include <tessera/autoregressive/recurrent_seq2seq_decoder.hpp>
#include <tessera/autoregressive/seq2seq_decoder.hpp>
#include <tessera/generate/beam.hpp>
#include <tessera/generate/sequence.hpp>
#include <tessera/nn/save.hpp>
#include <tessera/nonautoregressive/one_shot_writer.hpp>

namespace tessera::examples {

namespace {

constexpr const char* format = "tessera.pronounce.1";
constexpr Index longest_answer = static_cast<Index>(longest_pronunciation) + 1;  // the end is one

Seq2SeqDecoder decoder_of(const std::shared_ptr<const Seq2Seq<float>>& net) { return Seq2SeqDecoder(net); }
RecurrentSeq2SeqDecoder decoder_of(const std::shared_ptr<const RecurrentSeq2Seq<float>>& net) {
  return RecurrentSeq2SeqDecoder(net);
}

SpokenUnits without_end(std::span<const Unit> units) {
  if (!units.empty() && units.back() == seq2seq::end) units = units.first(units.size() - 1);
  return {units.begin(), units.end()};
}

/// Phoneme after phoneme, many words side by side.
template <class Decoder>
PronounceAnswers answer_greedily(const Decoder& model, std::span<const SpokenUnits> words) {
  PronounceAnswers all;
  SequenceOptions options{.length = longest_answer, .end = {seq2seq::end}};
  options.choice.temperature = 0;
  std::vector<SourceUnits> sources;
  for (const SpokenUnits& w : words) sources.push_back({w});
  SequenceRun<Decoder> run(model, sources, std::vector<Noise>(words.size(), Noise{0}), options);
  while (run.step()) {}
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto units = run.units(static_cast<Index>(i));
    all.each.push_back({{without_end(units), 0}});
    all.passes += static_cast<double>(units.size()) / static_cast<double>(words.size());
  }
  return all;
}

template <class Decoder>
PronounceAnswers answer_by_beams(const Decoder& model, std::span<const SpokenUnits> words, const PronounceOptions& o) {
  PronounceAnswers all;
  for (const SpokenUnits& w : words) {
    std::vector<PronounceAnswer> best;
    std::size_t longest = 0;
    for (const Beam& b :
         beam_search(model, SourceUnits{w},
                     {.width = o.beam, .length = longest_answer, .alpha = o.alpha, .end = {seq2seq::end}})) {
      longest = std::max(longest, b.units.size());
      best.push_back({without_end(b.units), b.log_probability});
    }
    all.each.push_back(std::move(best));
    all.passes += static_cast<double>(longest) / static_cast<double>(words.size());
  }
  return all;
}

PronounceAnswers answer_at_once(const std::shared_ptr<const OneShotText<float>>& net,
                                std::span<const SpokenUnits> words, const PronounceOptions& o) {
  const OneShotWriter write(net, {.lengths = net->config.kind == OneShotKind::length ? o.lengths : 1});
  PronounceAnswers all{.each = {}, .passes = 1};
  for (const auto& answers : write(words, std::vector<Noise>(words.size(), Noise{0}))) {
    all.each.emplace_back();
    for (const OneShotAnswer& a : answers) all.each.back().push_back({a.units, a.log_probability});
  }
  return all;
}

/// The numbers of a config out of the metadata, each at least 1 and not absurd.
template <class Config>
Config config_of(const Safetensors& file, Config config) {
  Config::fields(config, [&](const char* name, Index& value) {
    const std::string key = std::string("config.") + name;
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end()) throw_io(file.source(), "metadata", "the key " + key, "none");
    Index number = 0;
    bool good = !found->second.empty() && found->second.size() < 5;
    for (const char c : found->second) {
      good = good && c >= '0' && c <= '9';
      number = good ? 10 * number + (c - '0') : 0;
    }
    if (!good || number < 1 || number > 4096) throw_io(file.source(), key, "1 to 4096", quoted(found->second, 40));
    value = number;
  });
  if (config.source_units != letter_units || config.target_units != phoneme_units)
    throw_io(file.source(), "vocabularies", "30 letters and 40 phonemes",
             std::to_string(config.source_units) + " and " + std::to_string(config.target_units));
  try {
    config.check();
  } catch (const argument_error& e) { throw io_error(printable(file.source(), 400) + ": config: " + e.what()); }
  return config;
}

/// `pinned` is looked at before memory is taken for the network.
template <class Network>
Pronouncer network_of(const Safetensors& file, const typename Network::Config& config, const std::string& pinned,
                      const Shape& shape) {
  if (!file.contains(pinned)) throw_io(file.source(), "tensor " + quoted(pinned), shape.to_string(), "no such tensor");
  if (file.shape(pinned) != shape)
    throw_io(file.source(), "tensor " + quoted(pinned), shape.to_string(), file.shape(pinned).to_string());
  Rng rng(0);
  auto net = std::make_shared<Network>(config, rng);
  if (const auto bad = get(file, *net); !bad.empty())
    throw_io(file.source(), "tensor " + quoted(bad.front()), "finite numbers", "a NaN or an infinity");
  return Pronouncer(std::shared_ptr<const Network>(std::move(net)));
}

}  // namespace

PronounceModel pronounce_model_named(const std::string& name) {
  std::string names;
  for (std::size_t i = 0; i < std::size(pronounce_model_names); ++i) {
    if (name == pronounce_model_names[i]) return static_cast<PronounceModel>(i);
    names += (i == 0 ? "" : ", ") + std::string(pronounce_model_names[i]);
  }
  throw argument_error("--model is one of " + names + ", not " + quoted(name, 40));
}

PronounceModel Pronouncer::model() const {
  if (std::holds_alternative<std::shared_ptr<const Seq2Seq<float>>>(net_)) return PronounceModel::transformer;
  if (std::holds_alternative<std::shared_ptr<const RecurrentSeq2Seq<float>>>(net_)) return PronounceModel::recurrent;
  switch (std::get<std::shared_ptr<const OneShotText<float>>>(net_)->config.kind) {
    case OneShotKind::length:
      return PronounceModel::length;
    case OneShotKind::fixed:
      return PronounceModel::fixed;
    default:
      return PronounceModel::ctc;
  }
}

Index Pronouncer::parameters() const {
  return std::visit([](const auto& net) { return parameter_count(*net); }, net_);
}

PronounceAnswers Pronouncer::operator()(std::span<const SpokenUnits> words, const PronounceOptions& options) const {
  if (words.empty()) return {};
  return std::visit(
      [&](const auto& net) {
        if constexpr (std::is_same_v<decltype(net), const std::shared_ptr<const OneShotText<float>>&>)
          return answer_at_once(net, words, options);
        else if (options.beam > 1 || options.scored)
          return answer_by_beams(decoder_of(net), words, options);
        else
          return answer_greedily(decoder_of(net), words);
      },
      net_);
}

std::vector<double> Pronouncer::log_probabilities(std::span<const SpokenUnits> words,
                                                  std::span<const SpokenUnits> answers) const {
  const Seq2SeqBatch batch(words, answers);
  const Tensor<float> log_p = std::visit(
      [&](const auto& net) {
        if constexpr (requires { (*net)(batch.source, batch.read); })
          return log_softmax((*net)(batch.source, batch.read));
        else
          throw argument_error("pronounce: only transformer and recurrent can judge the answers of others");
        return Tensor<float>();
      },
      net_);
  std::vector<double> sums(words.size(), 0.0);
  const Index t = batch.read.extent(1), v = log_p.cols();
  for (std::size_t i = 0; i < words.size(); ++i) {
    for (std::size_t k = 0; k <= answers[i].size(); ++k) {
      const Index row = static_cast<Index>(i) * t + static_cast<Index>(k);
      sums[i] += static_cast<double>(log_p[row * v + batch.wanted[row]]);
    }
  }
  return sums;
}

Safetensors Pronouncer::to_file(DType stored) const {
  Safetensors file;
  file.metadata["format"] = format;
  file.metadata["model"] = pronounce_model_names[static_cast<std::size_t>(model())];
  std::visit(
      [&](const auto& net) {
        using Config = std::remove_cvref_t<decltype(net->config)>;
        Config::fields(net->config, [&](const char* name, Index value) {
          file.metadata[std::string("config.") + name] = std::to_string(value);
        });
        put(file, *net, "", stored);
      },
      net_);
  return file;
}

Pronouncer Pronouncer::from_file(const Safetensors& file) {
  const auto text = [&](const char* key) {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end())
      throw_io(file.source(), "metadata", std::string("the key ") + key,
               "none: this is no pronouncing model; train_pronounce makes one");
    return found->second;
  };
  if (text("format") != format) throw_io(file.source(), "format", quoted(format), quoted(text("format"), 40));
  const std::string name = text("model");
  if (name == "transformer") {
    const auto c = config_of(file, Seq2SeqConfig{});
    return network_of<Seq2Seq<float>>(file, c, "positions.weight", {c.target_length, c.width});
  }
  if (name == "recurrent") {
    const auto c = config_of(file, RecurrentSeq2SeqConfig{});
    return network_of<RecurrentSeq2Seq<float>>(file, c, "head.weight", {c.target_units, c.hidden});
  }
  OneShotTextConfig c;
  if (name == "length")
    c.kind = OneShotKind::length;
  else if (name == "fixed")
    c.kind = OneShotKind::fixed;
  else if (name == "ctc")
    c.kind = OneShotKind::ctc;
  else
    throw_io(file.source(), "model", "transformer, recurrent, length, fixed or ctc", quoted(name, 40));
  c = config_of(file, c);
  return network_of<OneShotText<float>>(file, c, "positions.weight", {c.most_places(), c.width});
}

}  // namespace tessera::examples
