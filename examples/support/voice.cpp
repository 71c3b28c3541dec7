#include "examples/support/voice.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <map>
#include <system_error>

#include <tessera/io/bytes.hpp>
#include <tessera/unit/resample.hpp>
#include "examples/support/ogg.hpp"

namespace tessera::examples {

namespace {

/// FNV-1a: the split must not depend on a library's hash.
std::uint32_t hash_of(const std::string& text) {
  std::uint32_t h = 2166136261U;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 16777619U;
  return h ^ h >> 15;
}

/// The folder's tone digit as the keyboard has it: none for tone 1, and 1 for the neutral tone.
std::optional<Syllable> syllable_of_folder(std::string name) {
  if (name.empty()) return std::nullopt;
  if (name.back() == '1') name.back() = '5';
  return syllable_from_zhuyin(name);
}

}  // namespace

Tensor<float> trimmed_voice(const Tensor<float>& sound, Index rate) {
  const Index block = std::max<Index>(rate / 100, 1), blocks = sound.size() / block;
  std::vector<double> energy(static_cast<std::size_t>(blocks), 0.0);
  double loudest = 0, top = 0;
  for (Index b = 0; b < blocks; ++b) {
    double& e = energy[static_cast<std::size_t>(b)];
    for (Index t = b * block; t < (b + 1) * block; ++t)
      e += static_cast<double>(sound[t]) * static_cast<double>(sound[t]);
    loudest = std::max(loudest, e);
  }
  for (Index t = 0; t < sound.size(); ++t) top = std::max(top, std::fabs(static_cast<double>(sound[t])));
  if (!(top > 0) || blocks == 0) return sound;
  const auto quiet = [&](Index b) { return energy[static_cast<std::size_t>(b)] < 1e-6 * loudest; };
  Index first = 0, last = blocks;
  while (first < last && quiet(first)) ++first;
  while (last > first && quiet(last - 1)) --last;
  const Index begin = std::max<Index>((first - 2) * block, 0), end = std::min((last + 2) * block, sound.size());
  Tensor<float> cut(Shape{end - begin});
  float* to = cut.data();
  for (Index t = begin; t < end; ++t) to[t - begin] = static_cast<float>(static_cast<double>(sound[t]) * 0.7 / top);
  return cut;
}

std::vector<VoiceClip> read_voices(const VoiceOptions& options) {
  namespace fs = std::filesystem;
  std::vector<VoiceClip> clips;
  std::error_code failed;
  for (const auto& folder : fs::directory_iterator(options.folder, failed)) {
    const auto syllable = syllable_of_folder(folder.path().filename().string());
    if (!syllable) continue;
    for (int speaker = 0; speaker < static_cast<int>(std::size(voice_speakers)); ++speaker) {
      const std::string path = folder.path().string() + "/" + voice_speakers[speaker] + ".ogg";
      if (fs::exists(path, failed)) clips.push_back({.syllable = *syllable, .speaker = speaker, .path = path});
    }
  }
  if (clips.empty())
    throw_io(options.folder, "", "folders of spoken syllables", "none; on Debian: apt-get install gcin-voice");
  std::sort(clips.begin(), clips.end(), [](const VoiceClip& a, const VoiceClip& b) { return a.path < b.path; });
  if (options.most > 0 && clips.size() > options.most) {
    for (std::size_t i = 0; i < options.most; ++i) std::swap(clips[i], clips[i * clips.size() / options.most]);
    clips.resize(options.most);
  }
  std::map<Index, Resampler> resamplers;  // by the rate they start from
  for (VoiceClip& clip : clips) {
    clip.held_out = hash_of(clip.path.substr(options.folder.size())) % 20 == 7;
    const OggSound sound = read_ogg(clip.path);
    auto& resampler = resamplers.try_emplace(sound.rate, sound.rate, options.rate).first->second;
    clip.samples = trimmed_voice(resampler(to_mono(sound.samples)), options.rate);
  }
  return clips;
}

}  // namespace tessera::examples
