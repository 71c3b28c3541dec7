// A JSON value: what settings, model configs and `--json` output are made of. Small things; tensors go to safetensors.
//
//   Json settings;
//   settings.set("prompt", "a red heart").set("seed", 42);
//   write_file("run.json", settings.dump());
//   auto seed = Json::parse(text, "run.json").get<std::int64_t>("seed");
//
// Reading is strict (json_text.hpp), rejects duplicate keys, and takes at most about four times the text plus 1 MiB
// unless told otherwise. Objects are kept and written in the order of their keys, so equal values give equal bytes.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/io/bytes.hpp>
#include <tessera/io/json_text.hpp>

namespace tessera {

struct JsonLimits {
  int depth = 64;
  std::size_t values = 0;  // 0: as many as four times the text and 1 MiB can hold
};

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::map<std::string, Json, std::less<>>;

  Json() = default;  // null
  Json(bool value) : value_(value) {}
  Json(double value) : value_(value) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(Array elements) : value_(std::move(elements)) {}
  /// Throws argument_error beyond 63 bits, which few readers of JSON would keep.
  template <std::integral Whole>
  requires(!std::same_as<Whole, bool>) Json(Whole value) : value_(static_cast<std::int64_t>(value)) {
    if (!std::in_range<std::int64_t>(value))
      throw argument_error("JSON: number " + std::to_string(value) + " is above 2^63 - 1");
  }
  static Json object() {
    Json json;
    json.value_.emplace<Object>();
    return json;
  }

  /// `name` stands for the file in errors. Throws io_error.
  static Json parse(std::string_view text, const std::string& name = "JSON", JsonLimits limits = {});

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }

  /// The value as bool, std::int64_t, double (whole numbers too) or std::string; throws io_error if it is something
  /// else.
  template <class T>
  T as(std::string_view field = "value") const;

  // Objects. at() and get() throw io_error if there is no such member; set() makes an object of null.
  const Json* find(std::string_view key) const;
  const Json& at(std::string_view key) const;
  template <class T>
  T get(std::string_view key) const {
    return at(key).as<T>(quoted(key));
  }
  /// The same with a value for when the member is not there.
  template <class T>
  T get(std::string_view key, std::type_identity_t<T> otherwise) const {
    const Json* found = find(key);
    return found != nullptr ? found->as<T>(quoted(key)) : otherwise;
  }
  Json& set(std::string_view key, Json value);
  const Object& members() const { return need<Object>("members", "an object"); }

  const Array& elements() const { return need<Array>("elements", "an array"); }
  Json& push(Json value);

  /// One line of text. Numbers are the shortest that read back the same; NaN and infinity throw argument_error.
  std::string dump() const {
    std::string out;
    write(out);
    return out;
  }

  /// A template because comparing variants is slow to compile, and few programs do.
  template <std::same_as<Json> Other>
  bool operator==(const Other& other) const {
    return value_ == other.value_;
  }

 private:
  struct Builder;

  std::string kind() const {
    constexpr std::string_view names[] = {"null",     "true or false", "a whole number", "a number",
                                          "a string", "an array",      "an object"};
    return std::string(names[value_.index()]);
  }

  template <class T>
  const T& need(std::string_view field, std::string_view what) const {
    const T* found = std::get_if<T>(&value_);
    if (found == nullptr) throw_io("JSON", field, what, kind());
    return *found;
  }

  void write(std::string& out) const;

  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

template <class T>
T Json::as(std::string_view field) const {
  if constexpr (std::same_as<T, bool>) {
    return need<bool>(field, "true or false");
  } else if constexpr (std::same_as<T, std::string>) {
    return need<std::string>(field, "a string");
  } else if constexpr (std::same_as<T, std::int64_t>) {
    return need<std::int64_t>(field, "a whole number");
  } else {
    static_assert(std::same_as<T, double>, "a JSON value is read as bool, std::int64_t, double or std::string");
    if (const auto* whole = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*whole);
    return need<double>(field, "a number");
  }
}

inline const Json* Json::find(std::string_view key) const {
  const Object& object = members();
  const auto found = object.find(key);
  return found != object.end() ? &found->second : nullptr;
}

inline const Json& Json::at(std::string_view key) const {
  const Json* found = find(key);
  if (found == nullptr) throw_io("JSON", quoted(key), "it to be there", "no such member");
  return *found;
}

inline Json& Json::set(std::string_view key, Json value) {
  if (is_null()) *this = object();
  members();
  std::get<Object>(value_).insert_or_assign(std::string(key), std::move(value));
  return *this;
}

inline Json& Json::push(Json value) {
  if (is_null()) value_.emplace<Array>();
  elements();
  std::get<Array>(value_).push_back(std::move(value));
  return *this;
}

inline void Json::write(std::string& out) const {
  char digits[32];
  const auto number = [&](auto value) { out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr); };
  if (const auto* flag = std::get_if<bool>(&value_)) {
    out += *flag ? "true" : "false";
  } else if (const auto* whole = std::get_if<std::int64_t>(&value_)) {
    number(*whole);
  } else if (const auto* real = std::get_if<double>(&value_)) {
    if (!(*real - *real == 0)) throw argument_error("JSON: NaN and infinity cannot be written");
    const std::size_t start = out.size();
    number(*real);
    if (out.find_first_of(".e", start) == std::string::npos) out += ".0";  // stays a real number when read back
  } else if (const auto* text = std::get_if<std::string>(&value_)) {
    append_json(out, *text);
  } else if (const auto* array = std::get_if<Array>(&value_)) {
    const char* separator = "[";
    for (const Json& element : *array) out += std::exchange(separator, ", "), element.write(out);
    out += array->empty() ? "[]" : "]";
  } else if (const auto* object = std::get_if<Object>(&value_)) {
    const char* separator = "{";
    for (const auto& [key, value] : *object) {
      out += std::exchange(separator, ", ");
      append_json(out, key);
      out += ": ";
      value.write(out);
    }
    out += object->empty() ? "{}" : "}";
  } else {
    out += "null";
  }
}

struct Json::Builder {
  JsonReader reader;
  std::string name;
  std::size_t values_left;

  Json value() {
    if (values_left-- == 0) throw_io(name, "size", "fewer values, or a higher JsonLimits::values", "too many");
    switch (reader.peek()) {
      case JsonReader::Kind::null:
        reader.null();
        return {};
      case JsonReader::Kind::boolean:
        return reader.boolean();
      case JsonReader::Kind::string:
        return reader.string();
      case JsonReader::Kind::number:
        return number(reader.number());
      case JsonReader::Kind::array: {
        Array elements;
        reader.array([&] { elements.push_back(value()); });
        return elements;
      }
      default:
        break;
    }
    Json json = object();
    auto& members = std::get<Object>(json.value_);
    reader.object([&](std::string key) {
      const auto [member, added] = members.try_emplace(std::move(key));
      if (!added) throw_io(name, quoted(member->first), "it once", "a second one");
      member->second = value();
    });
    return json;
  }

  /// Whole numbers of 64 bits stay whole, all others become double.
  Json number(std::string_view text) const {
    std::int64_t whole = 0;
    if (JsonReader::whole(text, whole) && text != "-0") return whole;
    double real = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), real);
    if (result.ec != std::errc() || !(real - real == 0)) {
      throw_io(name, "number", "one that a double can hold", quoted(text, 40));
    }
    return real;
  }
};

inline Json Json::parse(std::string_view text, const std::string& name, JsonLimits limits) {
  // The worst case of a value is an element of an array whose vector has just doubled: three slots for each.
  const std::size_t values = limits.values != 0 ? limits.values : (4 * text.size() + (1U << 20)) / (3 * sizeof(Json));
  Builder builder{JsonReader(text, name, limits.depth), name, values};
  Json json = builder.value();
  builder.reader.finish();
  return json;
}

}  // namespace tessera
