// Ctrl-C as a question a loop can ask. Opt-in: a program makes one of these and passes it to train().
//
//   Interrupt interrupt;
//   const auto result = train(model, loss, adamw(1e-3), {.steps = 5000, .checkpoint = "vae/"}, watch, interrupt);
//   return result.end == TrainEnd::interrupted ? Interrupt::exit_code : 0;
#pragma once

#include <signal.h>

#include <atomic>
#include <tessera/core/error.hpp>

namespace tessera {

/// While it lives, SIGINT and SIGTERM only raise a flag; a second one ends the process at once, as if nobody had caught
/// it. The handlers that were there before come back with the destructor. One at a time: the flag belongs to the
/// process.
class Interrupt {
 public:
  static constexpr int exit_code = 130;  // 128 + SIGINT: what shells expect

  /// Throws argument_error when another one lives.
  Interrupt() {
    if (alive_) throw argument_error("Interrupt: another one is alive, and signals can only be given to one");
    alive_ = true;
    requested_ = false;
    struct sigaction action {};
    action.sa_handler = [](int signal) {
      if (!requested_.exchange(true)) return;
      ::signal(signal, SIG_DFL);
      ::raise(signal);  // delivered when this handler returns
    };
    ::sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGINT, &action, &old_int_);
    ::sigaction(SIGTERM, &action, &old_term_);
  }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  ~Interrupt() {
    ::sigaction(SIGINT, &old_int_, nullptr);
    ::sigaction(SIGTERM, &old_term_, nullptr);
    alive_ = false;
  }

  bool requested() const { return requested_; }
  bool operator()() const { return requested(); }

 private:
  static inline std::atomic<bool> requested_ = false;  // lock-free, so a handler may touch it
  static inline bool alive_ = false;
  struct sigaction old_int_ {
  }, old_term_{};
};

}  // namespace tessera
