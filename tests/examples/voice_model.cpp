#include "examples/support/voice_model.hpp"

#include <cmath>
#include <limits>

#include "examples/support/voice_run.hpp"
#include "tests/io/hostile.hpp"
#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr VoiceNet<float>::Config tiny = {
    .residual = 8, .skip = 8, .cycles = 1, .depth = 3, .features = 4, .contour = 8};
constexpr Syllable ma3 = {.initial = 3, .medial = 0, .final = 1, .tone = 3};

VoiceContour some_contour(Index frames) {
  const Noise noise{5};
  VoiceContour c{Tensor<float>(Shape{frames}), Tensor<float>(Shape{frames}), Tensor<float>(Shape{frames}), {}};
  for (Index f = 0; f < frames; ++f) {
    const auto i = static_cast<std::uint64_t>(f);
    c.hertz.data()[f] = static_cast<float>(150 + 50 * noise.unit(3 * i));
    c.voiced.data()[f] = f % 3 == 0 ? 0 : 1;
    c.loudness.data()[f] = static_cast<float>(-40 * noise.unit(3 * i + 2));
  }
  c.turn = fundamental_turn(c.hertz, voice_step, voice_pitch);
  return c;
}

}  // namespace

TEST_CASE("voice: a piece's rows are the whole syllable's", "[examples][voice]") {
  const VoiceContour c = some_contour(12);
  constexpr Index a_frame = voice_hop / voice_step;
  VoiceRows whole(1, 12 * a_frame), pieces(2, 5 * a_frame);
  whole.set(0, ma3, 1, c, 180, 0);
  pieces.set(0, ma3, 1, c, 180, 0);
  pieces.set(1, ma3, 1, c, 180, 4 * a_frame);
  constexpr Index moves = VoiceRows::moves, places = VoicePoints::places;
  for (Index i = 0; i < 5 * a_frame; ++i) {
    for (Index k = 0; k < moves; ++k)
      REQUIRE(pieces.moving[(5 * a_frame + i) * moves + k] == whole.moving[(4 * a_frame + i) * moves + k]);
    for (Index k = 0; k < places; ++k)
      REQUIRE(pieces.points.place[(5 * a_frame + i) * places + k] ==
              whole.points.place[(4 * a_frame + i) * places + k]);
  }
  for (std::size_t k = 0; k < 5; ++k) {
    const int wanted[] = {3, 0, 1, 3, 1};
    for (const std::int32_t id : pieces.points.parts[k].span().subspan(static_cast<std::size_t>(5 * a_frame)))
      REQUIRE(id == wanted[k]);
  }
  // Where there is no voice its turn does not show, where there is one it does.
  const float* quiet = whole.moving.data() + a_frame / 2 * moves;
  const float* loud = whole.moving.data() + (a_frame + a_frame / 2) * moves;
  CHECK(std::fabs(quiet[1]) < 0.1F);
  CHECK(std::hypot(quiet[3], quiet[4]) < 0.1F);
  CHECK(std::hypot(loud[3], loud[4]) > 0.9F);
}

TEST_CASE("voice: rows beyond the end are the last one again", "[examples][voice]") {
  VoiceRows rows(1, 3 * voice_hop / voice_step);
  rows.set(0, ma3, 0, some_contour(2), 180, 0);
  for (const float x : rows.moving.span()) REQUIRE(std::isfinite(x));
  for (const float x : rows.points.place.span()) REQUIRE((std::isfinite(x) && std::fabs(x) <= 1.01F));
}

TEST_CASE("voice: a contour is learned from a few points", "[examples][voice]") {
  Rng rng(1);
  const ContourNet<float> net(16, rng);
  VoicePoints points(2, 3);
  ContourTargets targets(2, 3);
  const VoiceContour c = some_contour(3);
  for (Index i = 0; i < 6; ++i) {
    points.set(i, ma3, static_cast<int>(i / 3), static_cast<double>(i % 3) + 0.5, 3);
    targets.set(i, c, i % 3, 180);
  }
  NoTape none;
  const Tensor<float> y = net(none, points);
  CHECK(y.shape() == Shape{2, 3, 3});
  Tape<Tensor<float>> tape;
  const auto loss = targets.loss(net(tape, points));
  CHECK(loss.value().item() == targets.loss(y).item());
  // A pitch where there is no voice costs nothing.
  Tensor<float> exact = targets.values.clone();
  CHECK(targets.loss(exact).item() == 0);
  exact.data()[0] += 100;
  CHECK(targets.loss(exact).item() == 0);
  exact.data()[3] += 1;
  CHECK(targets.loss(exact).item() == Approx(1.0F / 18));
}

TEST_CASE("voice: predicted contours stay within what a voice can do", "[examples][voice]") {
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    Rng rng(seed);
    ContourNet<float> net(16, rng);
    for (float& x : net.last.weight.value.span()) x *= 1000;
    const VoiceContour c = predicted_contour(net, ma3, 1, 9, 200);
    CHECK(c.frames() == 9);
    CHECK(c.turn.size() == 9 * voice_hop / voice_step);
    for (Index f = 0; f < 9; ++f) {
      CHECK((c.hertz[f] >= 57 && c.hertz[f] <= 699));
      CHECK((c.voiced[f] == 0 || c.voiced[f] == 1));
      CHECK((c.loudness[f] >= -70 && c.loudness[f] <= 0));
    }
  }
}

TEST_CASE("voice: levels beside each other begin alike", "[examples][voice]") {
  Rng rng(1);
  const VoiceNet<float> net({.residual = 16, .skip = 16, .cycles = 1, .depth = 2, .features = 4}, rng);
  for (const Tensor<float>& table : {net.wavenet.embedding.weight.value, net.wavenet.last.weight.value}) {
    double size = 0, step = 0;
    for (Index i = 16; i < table.size(); ++i) {
      size += static_cast<double>(table[i]) * static_cast<double>(table[i]);
      step += std::pow(static_cast<double>(table[i] - table[i - 16]), 2);
    }
    CHECK(step < 0.02 * size);
    CHECK(size > 0);
  }
}

TEST_CASE("voice: files give back the same voice", "[examples][voice]") {
  Rng rng(1);
  VoiceNet<float> net(tiny, rng);
  net.pitches.value.data()[0] = 123;
  net.durations.value.data()[7] = 45;
  const test::Scratch scratch;
  to_file(net, DType::f32).write(scratch / "voice.safetensors");
  const auto back = voice_from_file(Safetensors::read(scratch / "voice.safetensors"));
  CHECK(back->config.contour == tiny.contour);
  CHECK(back->usual_hertz(0) == 123);
  CHECK(back->usual_frames({.tone = 1}, 1) == 45);
  VoiceRows rows(1, 40);
  rows.set(0, ma3, 1, some_contour(2), 180, 0);
  CHECK(same_bytes(back->features(rows), net.features(rows)));
  const Tensor<std::int32_t> units(Shape{1, 160}, 100);
  CHECK(same_bytes(back->wavenet(units, back->features(rows)), net.wavenet(units, net.features(rows))));
  const VoiceContour a = predicted_contour(net.contour, ma3, 0, 6, 123),
                     b = predicted_contour(back->contour, ma3, 0, 6, 123);
  CHECK(same_bytes(a.hertz, b.hertz));
  // A half-precision file is another voice, but a near one.
  const auto half = voice_from_file(to_file(net));
  CHECK_FALSE(same_bytes(half->features(rows), net.features(rows)));
}

TEST_CASE("voice: files that are none say why", "[examples][voice]") {
  Rng rng(1);
  const auto refused = [&](auto&& spoil) {
    VoiceNet<float> net(tiny, rng);
    Safetensors file = to_file(net);
    spoil(net, file);
    return test::io_error_of([&] { voice_from_file(file); });
  };
  const auto has = [](const std::string& text, const char* words) {
    INFO(text);
    CHECK(text.find(words) != std::string::npos);
  };
  has(refused([](auto&, Safetensors& f) { f.metadata["format"] = "tessera.voice.1"; }), "train_speak makes a new one");
  has(refused([](auto&, Safetensors& f) { f.metadata["format"] = std::string(1000, 'x'); }), "tessera.voice.2");
  has(refused([](auto&, Safetensors& f) { f.metadata.erase("config.contour"); }), "config.contour");
  for (const char* bad : {"", "0", "-1", "1025", "99999999999999999999", "8 ", "x"})
    has(refused([&](auto&, Safetensors& f) { f.metadata["config.contour"] = bad; }), "1 to 1024");
  constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
  for (const float bad : {0.0F, -200.0F, 49.0F, 601.0F, 1e9F, not_a_number}) {
    has(refused([&](auto& net, Safetensors& f) {
          net.pitches.value.data()[1] = bad;
          f = to_file(net, DType::f32);
        }),
        "50 to 600");
    if (bad == 49.0F || bad == 601.0F) continue;
    has(refused([&](auto& net, Safetensors& f) {
          net.durations.value.data()[3] = bad;
          f = to_file(net, DType::f32);
        }),
        "1 to 2000");
  }
}

TEST_CASE("voice: only where there is a voice are logits larger", "[examples][voice]") {
  Rng rng(1);
  const VoiceNet<float> net(tiny, rng);
  const WaveNetDecoder decoder(net.wavenet);
  const VoiceContour c = some_contour(3);  // none, voice, voice
  VoiceRows rows(1, c.turn.size());
  rows.set(0, ma3, 1, c, 180, 0);
  const Tensor<float> all = net.features(rows), features = all.reshaped({all.extent(1), all.cols()});
  const CalmWaveNet calm{decoder, c.voiced, 0.5F};
  auto plain = decoder.begin(features);
  auto state = calm.begin(features);
  for (Index t = 0; t < 3 * voice_hop; ++t) {
    const float factor = t < voice_hop ? 1 : 2;
    for (std::size_t k = 0; k < 256; ++k) REQUIRE(state.logits()[k] == factor * plain.logits()[k]);
    if (t + 1 == 3 * voice_hop) break;
    decoder.next(plain, static_cast<Unit>(t % 256));
    calm.next(state, static_cast<Unit>(t % 256));
  }
}

TEST_CASE("voice: what is said is as long as asked, the same again, and can be stopped", "[examples][voice]") {
  Rng rng(1);
  VoiceNet<float> net(tiny, rng);
  for (float& frames : net.durations.value.span()) frames = 12;
  const WaveNetDecoder decoder(net.wavenet);
  const auto go_on = [] { return false; };
  const Tensor<float> once = say(net, decoder, ma3, 0, {}, Noise{1}, go_on);
  CHECK(once.size() == 12 * voice_hop);
  CHECK(same_bytes(once, say(net, decoder, ma3, 0, {}, Noise{1}, go_on)));
  CHECK_FALSE(same_bytes(once, say(net, decoder, ma3, 0, {}, Noise{2}, go_on)));
  CHECK(say(net, decoder, ma3, 0, {.speed = 2}, Noise{1}, go_on).size() == 6 * voice_hop);
  CHECK_FALSE(say(net, decoder, ma3, 0, {}, Noise{1}, [] { return true; }));
}
