// Whole files, read and written.
//
// A file is either the old one or the new one, never half of either: the bytes go to a temporary file in the same
// folder, are flushed to the disk (fsync), take the name in one step (rename), and the folder is flushed so that the
// name survives a power cut. If anything fails the temporary file is removed and the old file is as it was.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <tessera/core/error.hpp>
#include <tessera/io/bytes.hpp>

namespace tessera {

namespace io_detail {

[[noreturn]] inline void throw_errno(const std::string& path, std::string_view action, int code) {
  std::string message = printable(path, 400);
  message.append(": ").append(action).append(": ").append(std::strerror(code));
  throw io_error(message);
}

/// A file descriptor that is closed when it goes.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { close(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  /// 0, or the errno: a network file system may report a full disk only here.
  int close() {
    if (fd_ < 0) return 0;
    return ::close(std::exchange(fd_, -1)) == 0 || errno == EINTR ? 0 : errno;
  }

 private:
  int fd_;
};

inline std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// Where a symbolic link leads, so that writing through one replaces the file and not the link.
inline std::string resolved(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string result(real);
  std::free(real);
  return result;
}

}  // namespace io_detail

/// The whole of a file, at most `limit` bytes (what a device or a pipe sends counts too).
inline Bytes read_file(const std::string& path, std::uint64_t limit = std::uint64_t{1} << 34) {
  if (path.find('\0') != std::string::npos) throw_io(path, "path", "no NUL in it", "one");
  const io_detail::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) io_detail::throw_errno(path, "cannot open", errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) io_detail::throw_errno(path, "cannot stat", errno);
  if (S_ISDIR(info.st_mode)) io_detail::throw_errno(path, "cannot read", EISDIR);
  const auto too_long = [&](std::uint64_t size) {
    throw_io(path, "size", "at most " + std::to_string(limit) + " bytes", std::to_string(size) + " or more");
  };
  const std::uint64_t promised = S_ISREG(info.st_mode) ? static_cast<std::uint64_t>(info.st_size) : 0;
  if (promised > limit) too_long(promised);
  try {
    // One byte more than promised, so that the end of the file is seen without growing; a file that grew meanwhile, or
    // one that has no size (a pipe), is read in doubling steps.
    Bytes bytes(static_cast<std::size_t>(promised) + 1);
    std::size_t used = 0;
    for (;;) {
      if (used == bytes.size()) bytes.resize(used < 65536 ? 65536 : 2 * used);
      const ssize_t count = ::read(file.get(), bytes.data() + used, bytes.size() - used);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) io_detail::throw_errno(path, "cannot read", errno);
      if (count == 0) break;
      used += static_cast<std::size_t>(count);
      if (used > limit) too_long(used);
    }
    bytes.resize(used);
    return bytes;
  } catch (const std::bad_alloc&) {
    throw_io(path, "size", "a file that fits into memory", std::to_string(promised) + " bytes");
  }
}

/// A file being written. It takes its name in commit(); without that it never was.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path) : shown_(path) {
    if (path.empty()) throw io_error("cannot write: the file name is empty");
    if (path.find('\0') != std::string::npos) throw_io(path, "path", "no NUL in it", "one");
    path_ = io_detail::resolved(path);
    struct stat info {};
    const bool exists = ::stat(path_.c_str(), &info) == 0;
    if (exists && S_ISDIR(info.st_mode)) io_detail::throw_errno(shown_, "cannot write", EISDIR);
    if (exists && !S_ISREG(info.st_mode)) {  // /dev/stdout, a pipe: these can only be written to, never replaced
      file_ = io_detail::Descriptor(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
      if (!file_) io_detail::throw_errno(shown_, "cannot write", errno);
      return;
    }
    // Renaming over a file asks for no permission on the file itself, but someone who took that away meant it.
    if (exists && ::access(path_.c_str(), W_OK) != 0) io_detail::throw_errno(shown_, "cannot write", errno);
    for (int attempt = 0; !file_; ++attempt) {
      // A short name of its own: one made of the target's could be too long for the file system.
      temporary_ = io_detail::folder_of(path_) + "/.tessera-" + std::to_string(::getpid()) + '-' +
                   std::to_string(attempt) + ".tmp";
      file_ = io_detail::Descriptor(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
      if (!file_ && (errno != EEXIST || attempt == 10000)) {
        const int code = errno;
        const std::string folder = io_detail::folder_of(path_);
        temporary_.clear();
        if (code == ENOENT) io_detail::throw_errno(shown_, "cannot write: folder " + quoted(folder), code);
        io_detail::throw_errno(shown_, "cannot write", code);
      }
    }
    if (exists && ::fchmod(file_.get(), info.st_mode & 07777) != 0) {
      // The new file keeps the permissions a new file gets. Nothing is lost that was asked for.
    }
  }

  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  ~AtomicFile() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }

  void write(std::span<const std::uint8_t> bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::write(file_.get(), bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) io_detail::throw_errno(shown_, "cannot write", errno);
      if (count == 0) io_detail::throw_errno(shown_, "cannot write", ENOSPC);
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
  }

  void write(std::string_view text) { write(as_bytes(text)); }

  void commit() {
    if (temporary_.empty()) {  // a device
      if (const int code = file_.close()) io_detail::throw_errno(shown_, "cannot write", code);
      return;
    }
    if (::fsync(file_.get()) != 0) io_detail::throw_errno(shown_, "cannot flush", errno);
    if (const int code = file_.close()) io_detail::throw_errno(shown_, "cannot write", code);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) io_detail::throw_errno(shown_, "cannot rename", errno);
    temporary_.clear();
    // Some file systems cannot flush a folder; the file is whole and in place either way.
    const io_detail::Descriptor folder(::open(io_detail::folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder && ::fsync(folder.get()) != 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP) {
      io_detail::throw_errno(shown_, "cannot flush the folder", errno);
    }
  }

 private:
  std::string shown_;      // as the caller wrote it
  std::string path_;       // where it really is
  std::string temporary_;  // empty once there is nothing to remove
  io_detail::Descriptor file_;
};

/// Writes or replaces a whole file at once.
inline void write_file(const std::string& path, std::span<const std::uint8_t> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

inline void write_file(const std::string& path, std::string_view text) { write_file(path, as_bytes(text)); }

}  // namespace tessera
