#include "examples/support/cli.hpp"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <tessera/core/error.hpp>
#include <tessera/io/text.hpp>

namespace tessera::examples {

struct Cli::State {
  CLI::App app;
  std::string name;
};

Cli::Cli(const std::string& name, const std::string& description) : state_(std::make_unique<State>()) {
  state_->app.description(description);
  state_->app.name(name);
  state_->name = name;
}
Cli::~Cli() = default;

namespace {
// Strict numbers: the whole text, nothing CLI11 would round, wrap or read as octal.
template <class T>
CLI::callback_t reader(const std::string& names, T& value, T low, T high, const char* what) {
  return [name = names.substr(0, names.find(',')), &value, low, high, what](const CLI::results_t& texts) {
    const std::string& text = texts.back();
    T read{};
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), read);
    bool good = problem == std::errc() && end == text.data() + text.size() && read >= low && read <= high;
    if constexpr (std::is_floating_point_v<T>) good = good && std::isfinite(read);
    if (!good) {
      char range[96];
      if constexpr (std::is_floating_point_v<T>)
        std::snprintf(range, sizeof range, "%s from %g to %g", what, static_cast<double>(low),
                      static_cast<double>(high));
      else if constexpr (std::is_signed_v<T>)
        std::snprintf(range, sizeof range, "%s from %lld to %lld", what, static_cast<long long>(low),
                      static_cast<long long>(high));
      else
        std::snprintf(range, sizeof range, "%s from 0 to %llu", what, static_cast<unsigned long long>(high));
      throw CLI::ValidationError(name, "wanted " + std::string(range) + ", not " + quoted(text, 60));
    }
    value = read;
    return true;
  };
}
CLI::Option* single(CLI::App& app, const std::string& names, CLI::callback_t read, const std::string& help,
                    const char* type) {
  CLI::Option* o = app.add_option(names, std::move(read), help);
  o->type_name(type)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  return o;
}
}  // namespace

void Cli::option(const std::string& names, std::int64_t& value, const std::string& help, std::int64_t low,
                 std::int64_t high) {
  single(state_->app, names, reader(names, value, low, high, "a whole number"), help, "N");
}
void Cli::option(const std::string& names, std::uint64_t& value, const std::string& help) {
  single(state_->app, names, reader(names, value, std::uint64_t{0}, ~std::uint64_t{0}, "a whole number"), help, "N");
}
void Cli::option(const std::string& names, double& value, const std::string& help, double low, double high) {
  single(state_->app, names, reader(names, value, low, high, "a number"), help, "X");
}
void Cli::number(const std::string& names, std::int64_t& value, const std::string& help, std::int64_t low,
                 std::int64_t high) {
  option(names, value, help + " (default " + std::to_string(value) + ")", low, high);
}
void Cli::number(const std::string& names, double& value, const std::string& help, double low, double high) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  option(names, value, help + " (default " + text + ")", low, high);
}
void Cli::option(const std::string& names, std::string& value, const std::string& help) {
  state_->app.add_option(names, value, help)->type_name("TEXT")->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}
void Cli::option(const std::string& names, std::vector<std::string>& values, const std::string& help) {
  state_->app.add_option(names, values, help)
      ->type_name("TEXT")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}
void Cli::flag(const std::string& names, bool& value, const std::string& help) {
  state_->app.add_flag(names, value, help);
}
void Cli::rest(const std::string& name, std::vector<std::string>& values, const std::string& help) {
  state_->app.add_option(name, values, help)->type_name("TEXT");
}
bool Cli::given(const std::string& name) const { return state_->app.count(name) > 0; }

std::optional<int> Cli::parse(int argc, char** argv) {
  try {
    state_->app.parse(argc, argv);
    return {};
  } catch (const CLI::CallForHelp&) {
    std::fputs(state_->app.help().c_str(), stdout);
    return exit_done;
  } catch (const CLI::ParseError& e) {
    complain(state_->name, std::string(e.what()) + " (--help lists the options)");
    return exit_usage;
  }
}

void complain(const std::string& program, const std::string& message) {
  std::fprintf(stderr, "%s: %s\n", program.c_str(), printable(message, 2000).c_str());
}

int guarded(const std::string& program, int (*body)(int, char**), int argc, char** argv) {
  try {
    return body(argc, argv);
  } catch (const io_error& e) {
    complain(program, e.what());
    return exit_file;
  } catch (const argument_error& e) {
    complain(program, e.what());
    return exit_usage;
  } catch (const std::bad_alloc&) {
    complain(program, "out of memory; ask for less at a time");
    return exit_failed;
  } catch (const std::exception& e) {
    complain(program, e.what());
    return exit_failed;
  }
}

}  // namespace tessera::examples
