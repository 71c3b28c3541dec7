// Pictures that are being made unit by unit, kept on disk: an ImageGpt's run, and a PixelCnn's.
//
//   write_run("run.safetensors", run);
//   auto again = read_run("run.safetensors", paint);                // paint: the ImageGpt, or the PixelCnnDecoder
//
// The file is a sequence's (generate/sequence_file.hpp: options, noises, units) and what the pictures were asked for
// by, so that it goes on with nothing but the model, bit for bit.
#pragma once

#include <tessera/autoregressive/image_gpt_run.hpp>
#include <tessera/autoregressive/pixel_cnn_run.hpp>
#include <tessera/generate/sequence_file.hpp>

namespace tessera::inline TESSERA_ISA {

/// Reads and writes what the runs are made of.
class PictureRunFile {
 public:
  static Safetensors store(const ImageGpt::Run& run) {
    Safetensors file = SequenceFile<PixelWriter>::store(run.sequence_);
    count_of(file);
    Json texts{Json::Array{}};
    for (const std::string& text : run.texts_) texts.push(text);
    file.metadata["texts"] = texts.dump();
    file.metadata["single"] = run.single_ ? "1" : "0";
    return file;
  }
  static Safetensors store(const PixelCnnRun& run) {
    Safetensors file = SequenceFile<PixelCnnDecoder>::store(run.sequence_);
    count_of(file);
    file.put("conditions", run.conditions_);
    return file;
  }

  static ImageGpt::Run restore(const Safetensors& file, const ImageGpt& model) {
    const std::string name = name_of(file);
    std::vector<std::string> texts;
    const Json stored = Json::parse(metadata(file, "texts"), name + ": texts");
    for (const Json& text : stored.elements()) texts.push_back(text.as<std::string>("texts"));
    const Index count = count_of(file);
    if (static_cast<Index>(texts.size()) != count)
      throw_io(name, "texts", std::to_string(count) + ", one for each noise", std::to_string(texts.size()));
    const std::string nothing;
    const SequenceOptions options = detail::sequence_options(name, metadata(file, "options"));
    check_length(name, options, model.config().pixels());
    auto sequence = SequenceFile<PixelWriter>::restore(
        file, model.writer_, model.conditions(texts),
        options.guidance == 1 ? std::vector<PixelCondition>() : model.conditions({&nothing, 1}), {});
    const bool single = metadata(file, "single") == "1" && texts.size() == 1;
    for (Index i = 0; i < sequence.count(); ++i) {
      for (const Unit u : sequence.units(i)) {
        if (u >= model.palette_.size())
          throw_io(name, "units." + std::to_string(i),
                   "colours of the palette's " + std::to_string(model.palette_.size()), std::to_string(u));
      }
    }
    return {std::move(sequence), std::move(texts), model.palette_, model.config().side, single};
  }
  static PixelCnnRun restore(const Safetensors& file, const PixelCnnDecoder& model) {
    const std::string name = name_of(file);
    const auto conditions = file.get<float>("conditions");
    const Index count = count_of(file), wanted = model.config().condition;
    const Shape shape = wanted > 0 ? Shape{count, wanted} : Shape{0};
    if (conditions.shape() != shape) throw_io(name, "conditions", shape.to_string(), conditions.shape().to_string());
    const Shape pictures{count, model.height(), model.width(), model.config().channels};
    check_length(name, detail::sequence_options(name, metadata(file, "options")), pictures.without(0).size());
    return {SequenceFile<PixelCnnDecoder>::restore(file, model, PixelCnnPainter::each(conditions, count), {}, {}),
            conditions, pictures};
  }

 private:
  /// Side by side in one run; each needs a model's state, so a stranger's small file could want a large memory.
  static constexpr Index most = 1024;

  static Index count_of(const Safetensors& file) {
    const Shape& noises = file.shape("noises");
    if (noises.rank() != 1 || noises.size() < 1 || noises.size() > most)
      throw_io(name_of(file), "noises", "1 to " + std::to_string(most), noises.to_string());
    return noises.size();
  }

  static std::string name_of(const Safetensors& file) { return file.source().empty() ? "run" : file.source(); }

  static const std::string& metadata(const Safetensors& file, const char* key) {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end()) throw_io(name_of(file), key, "it in the metadata", "none");
    return found->second;
  }

  static void check_length(const std::string& name, const SequenceOptions& options, Index units) {
    if (options.length != units || !options.end.empty())
      throw_io(name, "options", "a picture of " + std::to_string(units) + " units",
               "a sequence of " + std::to_string(options.length) + (options.end.empty() ? "" : " that may end sooner"));
  }
};

/// Throws io_error, also for more than 1,024 pictures side by side.
inline void write_run(const std::string& path, const ImageGpt::Run& run) { PictureRunFile::store(run).write(path); }
inline void write_run(const std::string& path, const PixelCnnRun& run) { PictureRunFile::store(run).write(path); }

/// Goes on exactly where the run was. Throws io_error for a file that is not of such a run of this model.
inline ImageGpt::Run read_run(const std::string& path, const ImageGpt& model) {
  return PictureRunFile::restore(Safetensors::read(path), model);
}
inline PixelCnnRun read_run(const std::string& path, const PixelCnnDecoder& model) {
  return PictureRunFile::restore(Safetensors::read(path), model);
}

}  // namespace tessera::inline TESSERA_ISA
