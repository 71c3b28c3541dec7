// A folder of checkpoints: `step-000001000.safetensors`, each written whole or not at all, the newest few kept.
//
// A file counts as valid when it parses and its checksum (in the metadata, over all other metadata, names, shapes, types and
// bytes) agrees, so a truncated file and one with a flipped bit are both found, told, and the one before is used. An older
// file is removed only after the newer one is on the disk.
#pragma once

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <tessera/io/safetensors.hpp>

namespace tessera {

/// 64 bits as 16 hexadecimal digits: how keys and checksums stand in metadata.
inline std::string to_hex(std::uint64_t x) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(x));
  return text;
}
inline std::optional<std::uint64_t> from_hex(std::string_view text) {
  if (text.size() != 16) return {};
  std::uint64_t x = 0;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return {};
    x = x << 4 | static_cast<std::uint64_t>(digit);
  }
  return x;
}

/// A checksum of everything in the file but the key "checksum". Not cryptographic: it guards against disks, not people.
inline std::uint64_t checksum(const Safetensors& file) {
  std::uint64_t sum = 0x9E3779B97F4A7C15u;
  const auto word = [&](std::uint64_t w) {
    sum = (sum ^ w) * 0xD6E8FEB86659FD93u;
    sum ^= sum >> 32;
  };
  const auto add = [&](std::span<const std::uint8_t> bytes) {
    std::size_t i = 0;
    for (; i + 8 <= bytes.size(); i += 8) word(load_little<std::uint64_t>(bytes.data() + i));
    std::uint64_t last = bytes.size();
    for (; i < bytes.size(); ++i) last = last << 8 | bytes[i];
    word(last);
  };
  for (const auto& [key, text] : file.metadata) {
    if (key == "checksum") continue;
    add(as_bytes(key));
    add(as_bytes(text));
  }
  for (const std::string& name : file.names()) {
    add(as_bytes(name));
    add(as_bytes(file.shape(name).to_string()));
    word(static_cast<std::uint64_t>(file.dtype(name)));
    add(file.bytes(name));
  }
  return sum;
}

class CheckpointFolder {
 public:
  /// Makes the folder (not its parents) when it is not there. Throws io_error when that fails, argument_error for keep
  /// < 1.
  CheckpointFolder(std::string path, Index keep) : path_(std::move(path)), keep_(keep) {
    if (keep < 1) throw argument_error("checkpoints: " + std::to_string(keep) + " to keep, wanted at least 1");
    while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
    struct stat info {};
    if (::stat(path_.c_str(), &info) == 0) {
      if (!S_ISDIR(info.st_mode)) throw_io(path_, "", "a folder", "a file");
    } else if (::mkdir(path_.c_str(), 0777) != 0 && errno != EEXIST) {
      io_detail::throw_errno(path_, "cannot make the folder", errno);
    }
  }

  const std::string& path() const { return path_; }
  std::string path(Index step) const {
    char name[48];
    std::snprintf(name, sizeof name, "/step-%09lld.safetensors", static_cast<long long>(step));
    return path_ + name;
  }

  /// The steps there are files for, valid or not, in ascending order.
  std::vector<Index> steps() const {
    std::vector<Index> steps;
    DIR* folder = ::opendir(path_.c_str());
    if (folder == nullptr) io_detail::throw_errno(path_, "cannot read the folder", errno);
    while (const dirent* entry = ::readdir(folder)) {
      long long step = 0;
      int end = 0;
      const std::string name = entry->d_name;
      if (std::sscanf(name.c_str(), "step-%18lld.safetensors%n", &step, &end) == 1 && step >= 0 &&
          end == static_cast<int>(name.size()) && path(step) == path_ + '/' + name)
        steps.push_back(step);
    }
    ::closedir(folder);
    std::sort(steps.begin(), steps.end());
    return steps;
  }

  /// Writes the file for this step, then removes all but the newest `keep` up to it. Files of later steps stay: they
  /// were found broken, or are not ours to judge. Throws io_error, and then nothing was removed.
  std::string write(Index step, Safetensors file) const {
    file.metadata["checksum"] = to_hex(checksum(file));
    const std::string target = path(step);
    file.write(target);
    Index newer = 0;
    const std::vector<Index> all = steps();
    for (std::size_t i = all.size(); i-- > 0;) {
      if (all[i] <= step && ++newer > keep_) std::remove(path(all[i]).c_str());
    }
    return target;
  }

  struct Found {
    Safetensors file;
    std::string path;
    Index step = 0;
  };
  struct Search {
    std::optional<Found> newest;
    std::vector<std::string> broken;  // what was wrong with each newer file that had to be passed over
  };
  /// The newest file that is whole.
  Search newest() const {
    Search result;
    const std::vector<Index> all = steps();
    for (std::size_t i = all.size(); i-- > 0 && !result.newest;) {
      const std::string from = path(all[i]);
      try {
        Safetensors file = Safetensors::read(from);
        const auto stated = file.metadata.find("checksum");
        if (stated == file.metadata.end()) throw_io(from, "checksum", "it in the metadata", "none");
        const std::string found = to_hex(checksum(file));
        if (stated->second != found) throw_io(from, "checksum", quoted(stated->second), found);
        result.newest = Found{std::move(file), from, all[i]};
      } catch (const io_error& e) { result.broken.push_back(e.what()); }
    }
    return result;
  }

 private:
  std::string path_;
  Index keep_;
};

}  // namespace tessera
