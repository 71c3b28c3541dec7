// Runs a program as a shell would and keeps what it said.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include <tessera/io/file.hpp>

namespace test {

struct Ended {
  int code = -1;  // 128 + signal when one killed it
  std::string out, err;
};

/// A program under way. Its standard streams are files of the folder `at`, where it also runs.
class Program {
 public:
  Program(const std::vector<std::string>& command, const std::string& at, const std::string& in = "/dev/null",
          const std::string& out = "")
      : out_(out.empty() ? at + "/.out" : out), err_(at + "/.err") {
    pid_ = ::fork();
    if (pid_ != 0) return;
    std::vector<char*> words;
    for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    redirect(in, O_RDONLY, 0);
    redirect(out_, O_WRONLY | O_CREAT | (out.empty() ? O_TRUNC : 0), 1);
    redirect(err_, O_WRONLY | O_CREAT | O_TRUNC, 2);
    if (::chdir(at.c_str()) != 0) ::_exit(126);
    ::execv(words[0], words.data());
    ::_exit(127);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void signal(int number) const { ::kill(pid_, number); }
  std::string said() const { return ::access(err_.c_str(), R_OK) == 0 ? text_of(err_) : ""; }

  /// Waits for its end and takes its output, if that went into the folder.
  Ended end() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
    Ended ended;
    ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    ended.err = text_of(err_);
    ::unlink(err_.c_str());
    if (out_.ends_with("/.out")) {
      ended.out = text_of(out_);
      ::unlink(out_.c_str());
    }
    return ended;
  }

 private:
  static void redirect(const std::string& path, int flags, int to) {
    const int file = ::open(path.c_str(), flags, 0666);
    if (file < 0 || ::dup2(file, to) < 0) ::_exit(125);
  }
  static std::string text_of(const std::string& path) {
    return std::string(tessera::as_text(tessera::read_file(path)));
  }

  std::string out_, err_;
  pid_t pid_ = -1;
};

}  // namespace test
