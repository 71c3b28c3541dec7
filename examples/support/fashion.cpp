#include "examples/support/fashion.hpp"

#include <zlib.h>

#include <unistd.h>

#include <tessera/io/bytes.hpp>
#include <tessera/io/file.hpp>

namespace tessera::examples {

namespace {

/// zlib's state, given back whatever happens.
class Inflater {
 public:
  explicit Inflater(const std::string& path, const Bytes& packed) : path_(path) {
    // 15: the largest window; 16: a gzip header and nothing else
    if (inflateInit2(&state_, 15 + 16) != Z_OK) throw io_error(printable(path_, 400) + ": zlib did not start");
    state_.next_in = const_cast<Bytef*>(packed.data());  // zlib reads it only
    state_.avail_in = static_cast<uInt>(packed.size());
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&state_); }

  /// Exactly `count` more bytes.
  void take(std::uint8_t* to, std::size_t count, const char* field) {
    state_.next_out = to;
    state_.avail_out = static_cast<uInt>(count);
    while (state_.avail_out > 0) {
      const int said = inflate(&state_, Z_NO_FLUSH);
      if (said == Z_STREAM_END && state_.avail_out > 0)
        throw_io(path_, field, std::to_string(count) + " bytes",
                 std::to_string(count - state_.avail_out) + " before the end of the file");
      if (said != Z_OK && said != Z_STREAM_END) broken(field, said);
      if (said == Z_STREAM_END) ended_ = true;
    }
  }
  /// Nothing may follow, and the checksum must be right.
  void finish() {
    std::uint8_t more = 0;
    state_.next_out = &more;
    state_.avail_out = 1;
    const int said = ended_ ? Z_STREAM_END : inflate(&state_, Z_FINISH);
    if (state_.avail_out == 0) throw_io(path_, "values", "the end of the file", "more bytes than the header tells");
    if (said != Z_STREAM_END) broken("gzip", said);
    if (state_.avail_in > 0) throw_io(path_, "gzip", "the end of the file", "more bytes after the compressed data");
  }

 private:
  [[noreturn]] void broken(const char* field, int said) const {
    if (said == Z_BUF_ERROR) throw_io(path_, field, "more compressed data", "the end of the file");
    throw_io(path_, field, "gzip data", state_.msg ? printable(state_.msg, 80) : "damaged data");
  }

  std::string path_;
  z_stream state_ = {};
  bool ended_ = false;
};

std::string path_of(const std::string& folder, FashionPart part, const char* what) {
  return folder + (part == FashionPart::train ? "/train-" : "/t10k-") + what + "-ubyte.gz";
}
void check_there(const std::string& path) {
  if (::access(path.c_str(), R_OK) != 0)
    throw io_error(printable(path, 400) +
                   ": cannot be read; apt-get install dataset-fashion-mnist puts these files into " + fashion_folder);
}

}  // namespace

Tensor<std::uint8_t> read_idx(const std::string& path) {
  constexpr std::uint64_t most_packed = std::uint64_t{1} << 30;
  const Bytes packed = read_file(path, most_packed);
  Inflater gzip(path, packed);
  std::uint8_t head[4];
  gzip.take(head, 4, "magic");
  if (head[0] != 0 || head[1] != 0) throw_io(path, "magic", "two zero bytes", "others: this is no IDX file");
  if (head[2] != 8) throw_io(path, "type", "8 (unsigned bytes)", std::to_string(head[2]));
  const int rank = head[3];
  if (rank < 1 || rank > 4) throw_io(path, "rank", "1 to 4", std::to_string(rank));
  // Deflate makes 1,032 bytes out of one at most, so a header that promises more is lying.
  const std::uint64_t most = 1032 * static_cast<std::uint64_t>(packed.size());
  std::uint64_t count = 1;
  Index extents[4] = {};
  for (int i = 0; i < rank; ++i) {
    std::uint8_t bytes[4];
    gzip.take(bytes, 4, "extents");
    extents[i] = load_big<std::uint32_t>(bytes);
    const auto product = checked_multiply(count, static_cast<std::uint64_t>(extents[i]));
    if (!product || *product > most || *product > 0xFFFFFFFFu)
      throw_io(path, "extents", "no more values than the file can hold, at most " + std::to_string(most),
               Shape(extents, i + 1).to_string());
    count = *product;
  }
  Tensor<std::uint8_t> values(Shape(extents, rank));
  gzip.take(values.data(), static_cast<std::size_t>(count), "values");
  gzip.finish();
  return values;
}

bool fashion_installed(const std::string& folder) {
  for (const FashionPart part : {FashionPart::train, FashionPart::test}) {
    for (const char* what : {"images-idx3", "labels-idx1"}) {
      if (::access(path_of(folder, part, what).c_str(), R_OK) != 0) return false;
    }
  }
  return true;
}

Fashion read_fashion(FashionPart part, const std::string& folder) {
  const std::string pictures = path_of(folder, part, "images-idx3"), labels = path_of(folder, part, "labels-idx1");
  check_there(pictures);
  check_there(labels);
  Fashion data{read_idx(pictures), read_idx(labels).as<std::int32_t>()};
  const Shape& s = data.pictures.shape();
  if (s.rank() != 3 || s[1] != 28 || s[2] != 28) throw_io(pictures, "extents", "[N, 28, 28]", s.to_string());
  if (data.labels.shape() != Shape{s[0]})
    throw_io(labels, "extents", "one label a picture, " + Shape{s[0]}.to_string(), data.labels.shape().to_string());
  for (Index i = 0; i < data.labels.size(); ++i) {
    if (std::as_const(data.labels)[i] > 9)
      throw_io(labels, "label " + std::to_string(i), "0 to 9", std::to_string(std::as_const(data.labels)[i]));
  }
  data.pictures = data.pictures.reshaped({s[0], 28, 28, 1});
  return data;
}

Tensor<float> in_unit_interval(const Tensor<std::uint8_t>& levels) {
  Tensor<float> shares(levels.shape());
  float* to = shares.data();
  for (Index i = 0; i < levels.size(); ++i) to[i] = static_cast<float>(levels[i]) / 255;
  return shares;
}

}  // namespace tessera::examples
