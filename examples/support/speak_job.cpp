#include "examples/support/speak_job.hpp"

#include <map>
#include <utility>

#include "examples/support/stored_settings.hpp"

namespace tessera::examples {

namespace {

/// "Seed=7; Speaker=5; ...", as the comment of a WAV. What is no setting is passed over.
std::map<std::string, std::string> settings_of(const std::string& comment) {
  std::map<std::string, std::string> settings;
  for (std::size_t at = 0; at < comment.size();) {
    const std::size_t end = std::min(comment.find("; ", at), comment.size());
    const std::string one = comment.substr(at, end - at);
    if (const std::size_t sign = one.find('='); sign != std::string::npos)
      settings.emplace(one.substr(0, sign), one.substr(sign + 1));
    at = end + 2;
  }
  return settings;
}

}  // namespace

std::string SpeakJob::text() const {
  std::string text;
  for (const Syllable& s : syllables) text += (text.empty() ? "" : " ") + to_zhuyin(s);
  return text;
}

WavTexts SpeakJob::texts() const {
  const std::vector<std::pair<const char*, std::string>> settings = {{"Seed", std::to_string(seed)},
                                                                     {"Speaker", voice_speakers[speaker]},
                                                                     {"Temperature", number_text(how.temperature)},
                                                                     {"Calm", number_text(how.calm)},
                                                                     {"TopP", number_text(how.top_p)},
                                                                     {"Speed", number_text(how.speed)},
                                                                     {"Pause", number_text(pause)},
                                                                     {"Whole", whole ? "1" : "0"},
                                                                     {"Weights", weights}};
  std::string comment;
  for (const auto& [name, value] : settings) comment += (comment.empty() ? "" : "; ") + std::string(name) + '=' + value;
  return {{"ISFT", "Tessera speak 1"}, {"INAM", text()}, {"ICMT", comment}};
}

SpeakJob read_speak_job(const std::string& path) {
  const WavTexts texts = read_wav(path).texts;
  const auto comment = texts.find("ICMT"), said = texts.find("INAM");
  auto settings = comment == texts.end() ? std::map<std::string, std::string>() : settings_of(comment->second);
  if (said != texts.end()) settings.insert_or_assign("Text", said->second);
  const StoredSettings stored(path, std::move(settings), "speak");
  SpeakJob job{.seed = stored.number<std::uint64_t>("Seed", 0, ~std::uint64_t{0}),
               .how = {.temperature = stored.number<double>("Temperature", 0, 10),
                       .top_p = stored.number<double>("TopP", 0, 1),
                       .calm = stored.number<double>("Calm", 0.01, 10),
                       .speed = stored.number<double>("Speed", 0.25, 4)},
               .pause = stored.number<double>("Pause", 0, 10),
               .whole = stored.number<int>("Whole", 0, 1) == 1,
               .weights = stored.text("Weights")};
  try {
    job.speaker = speaker_number(stored.text("Speaker"));
    job.syllables = read_syllables(stored.text("Text"));
    if (job.syllables.empty()) throw argument_error("setting Text: no syllable in it");
  } catch (const argument_error& e) { throw io_error(printable(path) + ": " + e.what()); }
  return job;
}

}  // namespace tessera::examples
