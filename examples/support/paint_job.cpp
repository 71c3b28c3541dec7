#include "examples/support/paint_job.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <tessera/io/file.hpp>
#include <tessera/io/pixels.hpp>
#include <tessera/io/text.hpp>

#include "examples/support/cli.hpp"

namespace tessera::examples {

std::string number_text(double value) {
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

namespace {

const std::string& stored_text(const std::string& path, const PngTexts& texts, const char* key) {
  const auto at = texts.find(key);
  if (at == texts.end())
    throw io_error(printable(path) + ": text chunk " + key + " is missing; --repro reads pictures made by paint");
  return at->second;
}

template <class T>
T stored_number(const std::string& path, const PngTexts& texts, const char* key, T low, T high) {
  const std::string& text = stored_text(path, texts, key);
  const char* end = text.data() + text.size();
  T value{};
  const auto [stop, problem] = std::from_chars(text.data(), end, value);
  if (stop != end || problem != std::errc() || !(value >= low && value <= high))
    throw io_error(printable(path) + ": text chunk " + key + ": expected a number from " +
                   number_text(static_cast<double>(low)) + " to " + number_text(static_cast<double>(high)) +
                   ", found " + quoted(text, 40));
  return value;
}

}  // namespace

PngTexts PaintJob::texts() const {
  PngTexts texts = {{"Software", "Tessera paint 1"},     {"Prompt", prompt},
                    {"Seed", std::to_string(seed)},      {"Model", name_of(kind)},
                    {"CfgScale", number_text(guidance)}, {"Weights", weights}};
  if (kind == PaintKind::flow) {
    texts["Steps"] = std::to_string(steps);
    texts["Solver"] = name_of(solver);
    texts["Shift"] = number_text(shift);
  } else {
    texts["Temperature"] = number_text(temperature);
    texts["TopP"] = number_text(top_p);
  }
  return texts;
}

PaintJob read_paint_job(const std::string& path) {
  const PngTexts texts = read_png(path).texts;
  PaintJob job{.prompt = stored_text(path, texts, "Prompt"),
               .seed = stored_number<std::uint64_t>(path, texts, "Seed", 0, ~std::uint64_t{0}),
               .guidance = stored_number<double>(path, texts, "CfgScale", 0, 100),
               .weights = stored_text(path, texts, "Weights")};
  try {
    if (const auto kind = texts.find("Model"); kind != texts.end())  // there once was one kind only
      job.kind = kind_named(kind->second);
    if (job.kind == PaintKind::flow) {
      job.steps = stored_number<std::int64_t>(path, texts, "Steps", 1, 1000);
      job.shift = stored_number<double>(path, texts, "Shift", 0.01, 100);
      job.solver = solver_named(stored_text(path, texts, "Solver"));
    } else {
      job.temperature = stored_number<double>(path, texts, "Temperature", 0, 100);
      job.top_p = stored_number<double>(path, texts, "TopP", 0, 1);
    }
    check_prompt(job.prompt);
  } catch (const argument_error& e) { throw io_error(printable(path) + ": " + e.what()); }
  return job;
}

void check_prompt(const std::string& prompt) {
  if (prompt.find_first_not_of(" \t\r\n") == std::string::npos)
    throw argument_error("the prompt is empty; say what to paint");
  if (prompt.find('\0') != std::string::npos) throw argument_error("the prompt has a zero byte");
  if (const std::size_t at = utf8_error(prompt); at != prompt.size())
    throw argument_error("the prompt is not UTF-8: byte " + std::to_string(at) + " of " + quoted(prompt, 60));
}

std::vector<std::string> read_prompts(const std::string& path) {
  const Bytes bytes = read_file(path == "-" ? "/dev/stdin" : path, std::uint64_t{4} << 20);
  std::vector<std::string> lines(1);
  for (const std::uint8_t b : bytes) {
    if (b == '\n')
      lines.emplace_back();
    else if (b != '\r')
      lines.back() += static_cast<char>(b);
  }
  std::erase_if(lines, [](const std::string& line) { return line.find_first_not_of(" \t") == std::string::npos; });
  if (lines.empty()) throw io_error((path == "-" ? std::string("standard input") : path) + ": no prompt in it");
  return lines;
}

const char* name_of(PaintKind kind) { return kind == PaintKind::flow ? "flow" : "image_gpt"; }

PaintKind kind_named(const std::string& name) {
  for (const PaintKind kind : {PaintKind::flow, PaintKind::image_gpt}) {
    if (name == name_of(kind)) return kind;
  }
  throw argument_error("model " + quoted(name, 40) + " is none of flow, image_gpt");
}

const char* name_of(Solver solver) {
  return solver == Solver::euler ? "euler" : solver == Solver::heun ? "heun" : "multistep";
}

Solver solver_named(const std::string& name) {
  for (const Solver solver : {Solver::euler, Solver::heun, Solver::multistep}) {
    if (name == name_of(solver)) return solver;
  }
  throw argument_error("solver " + quoted(name, 40) + " is none of euler, heun, multistep");
}

std::vector<std::string> output_names(const std::string& pattern, std::size_t count) {
  const std::string p = !pattern.empty() ? pattern : count == 1 ? "paint.png" : "paint-%03d.png";
  if (p == "-") {
    if (count != 1) throw argument_error("standard output takes one picture, not " + std::to_string(count));
    return {p};
  }
  // One of %d, %3d, %03d; %% is a percent sign. Never handed to printf.
  std::vector<std::string> names;
  for (std::size_t n = 0; n < count; ++n) {
    std::string name;
    int numbers = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      if (p[i] != '%') {
        name += p[i];
        continue;
      }
      if (i + 1 < p.size() && p[i + 1] == '%') {
        name += '%';
        ++i;
        continue;
      }
      std::size_t end = i + 1;
      const char fill = end < p.size() && p[end] == '0' ? '0' : ' ';
      std::size_t width = 0;
      while (end < p.size() && p[end] >= '0' && p[end] <= '9' && width < 20)
        width = width * 10 + static_cast<std::size_t>(p[end++] - '0');
      if (end >= p.size() || p[end] != 'd' || width > 20 || ++numbers > 1)
        throw argument_error("output " + quoted(p, 80) + ": one %d, as in %03d, for the number; %% for a percent sign");
      const std::string digits = std::to_string(n);
      if (digits.size() < width) name.append(width - digits.size(), fill);
      name += digits;
      i = end;
    }
    if (count > 1 && numbers == 0)
      throw argument_error("output " + quoted(p, 80) + " is one name for " + std::to_string(count) +
                           " pictures; put %03d into it");
    names.push_back(std::move(name));
  }
  return names;
}

Bytes read_weights(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0)
    throw io_error(printable(path) +
                   ": no such weights; they come with the repository, build/examples/train_paint and train_image_gpt "
                   "make them, and "
                   "--weights names others");
  return read_file(path);
}

void warn_of_non_finite(const std::string& program, const Safetensors& file) {
  constexpr std::size_t shown = 5;
  const std::vector<std::string> names = file.non_finite();
  if (names.empty()) return;
  std::string list;
  for (std::size_t i = 0; i < names.size() && i < shown; ++i) list += (i == 0 ? "" : ", ") + quoted(names[i]);
  if (names.size() > shown) list += " and " + std::to_string(names.size() - shown) + " more";
  complain(program, "warning: " + file.source() + ": NaN or infinity in " + list);
}

std::string fingerprint_of(const Bytes& bytes) {
  std::uint64_t h = 0xcbf29ce484222325u;  // FNV-1a: tells files apart, guards against nothing
  for (const std::uint8_t b : bytes) h = (h ^ b) * 0x100000001b3u;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(h));
  return text;
}

Tensor<std::uint8_t> picture_of(const Tensor<float>& pictures, Index i) {
  const Shape& s = pictures.shape();
  const Index each = s[1] * s[2] * s[3];
  Tensor<std::uint8_t> p(Shape{s[1], s[2], s[3]});
  std::uint8_t* to = p.data();
  for (Index k = 0; k < each; ++k) to[k] = to_8bit(pictures[i * each + k]);
  return p;
}

Tensor<std::uint8_t> enlarged(const Tensor<std::uint8_t>& picture, std::int64_t factor) {
  const Index h = picture.extent(0), w = picture.extent(1), c = picture.extent(2);
  Tensor<std::uint8_t> big(Shape{h * factor, w * factor, c});
  std::uint8_t* to = big.data();
  for (Index y = 0; y < h * factor; ++y)
    for (Index x = 0; x < w * factor; ++x)
      for (Index k = 0; k < c; ++k) *to++ = picture[((y / factor) * w + x / factor) * c + k];
  return big;
}

Tensor<std::uint8_t> stacked(const std::vector<Tensor<std::uint8_t>>& pictures) {
  const Shape& s = pictures.front().shape();
  Tensor<std::uint8_t> all(Shape{static_cast<Index>(pictures.size()), s[0], s[1], s[2]});
  std::uint8_t* to = all.data();
  for (const auto& p : pictures) {
    std::memcpy(to, p.data(), static_cast<std::size_t>(p.size()));
    to += p.size();
  }
  return all;
}

}  // namespace tessera::examples
