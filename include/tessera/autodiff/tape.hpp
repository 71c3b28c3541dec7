// The linear tape. Creation order is a topological order, so the backward pass just walks the entries in reverse; an entry is
// one function pointer and a callable in a bump arena. The pullback runs and dies as the tape unwinds, handing its buffers
// back to the pool. The first gradient of a value moves in, later ones add in place.
//
//   Tape<Tensor<float>> tape;
//   auto loss = mean(square(net(tape.constant(x)) - y));
//   tape.backward(loss);
//   const Tensor<float>& g = tape.gradient(net.weight);
#pragma once

#include <tessera/autodiff/arena.hpp>
#include <tessera/autodiff/value.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

/// The gradient of one input: `f(g)` given the gradient g of the output.
template <class F>
struct Pullback {
  std::uint32_t id;
  F f;
};
template <class F>
Pullback<F> wrt_id(std::uint32_t id, F f) {
  return {id, std::move(f)};
}
template <class V, class F>
Pullback<F> wrt(const Var<V>& x, F f) {
  return {x.id(), std::move(f)};
}

// dst += g: the first contribution moves in; defined beside addition (op/arithmetic.hpp).
template <std::floating_point T>
void accumulate(Tensor<T>& dst, Tensor<T> g);
template <class V>
void accumulate(Var<V>& dst, Var<V> g);
template <std::floating_point T>
Tensor<T> ones_like(const Tensor<T>& x) {
  return Tensor<T>(x.shape(), T(1));
}
template <class V>
Var<V> ones_like(const Var<V>& x) {
  return x.tape()->constant(ones_like(x.value()));
}

template <class V>
class Tape {
 public:
  Tape() = default;
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;
  ~Tape() { clear(); }

  /// A value that takes part but needs no gradient.
  Var<V> constant(V v) { return {std::move(v), this, no_gradient}; }
  /// A value whose gradient will be asked for.
  Var<V> input(V v) { return {std::move(v), this, leaf()}; }
  /// Token ids that an embedding on this tape looks up.
  VarIds<V> ids(Tensor<std::int32_t> v) { return {std::move(v), this}; }
  /// The leaf of a parameter, one per address and tape.
  template <class T>
  Var<V> parameter(const Parameter<T>& p, V v) {
    return {std::move(v), this, p.frozen || parameters_held_ ? no_gradient : leaf_of(&p)};
  }
  /// From here on parameters take part as constants. For the inner tape of a gradient penalty, which differentiates by
  /// its input alone: parameters stay leaves of the outer tape.
  void hold_parameters() { parameters_held_ = true; }

  /// Gradient of a parameter or input after backward(). Throws argument_error when the loss does not depend on it.
  template <class T>
  const V& gradient(const Parameter<T>& p) const {
    if (const V* g = find_gradient(p)) return *g;
    throw argument_error(
        "gradient: the loss does not depend on this parameter (or the module moved after the forward pass)");
  }
  const V& gradient(const Var<V>& x) const {
    if (x.id() < gradients_.size() && gradients_[x.id()]) return gradients_[x.id()];
    throw argument_error("gradient: the loss does not depend on this value, or it is not an input of the tape");
  }
  /// The same, or nullptr.
  template <class T>
  const V* find_gradient(const Parameter<T>& p) const {
    const Slot* s = find(&p);
    return s && gradients_[s->id] ? &gradients_[s->id] : nullptr;
  }

  /// Moves a parameter's gradient out; an empty value when the loss does not depend on it.
  template <class T>
  V take_gradient(const Parameter<T>& p) {
    const Slot* s = find(&p);
    return s ? std::exchange(gradients_[s->id], V()) : V();
  }
  /// Moves an input's gradient out; zeros when the result does not depend on it.
  V take_gradient(const Var<V>& x) {
    if (x.id() < gradients_.size() && gradients_[x.id()]) return std::exchange(gradients_[x.id()], V());
    return ones_like(x.value()) * ScalarOf<V>(0);
  }

  /// Appends an op's result. A pullback returns the gradient of its input and is skipped when that needs none; the last
  /// one receives the gradient buffer itself and may work in place: list that input last.
  template <class... F>
  Var<V> record(V y, Pullback<F>... inputs) {
    bool wanted = false;
    ((wanted = wanted || inputs.id != no_gradient), ...);
    if (!wanted) return constant(std::move(y));
    const auto id = static_cast<std::uint32_t>(gradients_.size());
    gradients_.emplace_back();
    auto run = [... in = std::move(inputs)](Tape& t, V& g) mutable {
      std::size_t left = sizeof...(F);
      (give(t, in, --left ? V(g) : std::move(g)), ...);
    };
    push(std::move(run));
    return {std::move(y), this, id};
  }
  /// For ops whose inputs' gradients come out of one computation: `pull(tape, g)` calls `tape.add(id, gradient)`
  /// itself.
  template <class F>
  Var<V> record_joint(V y, bool wanted, F pull) {
    if (!wanted) return constant(std::move(y));
    const auto id = static_cast<std::uint32_t>(gradients_.size());
    gradients_.emplace_back();
    push([f = std::move(pull)](Tape& t, V& g) mutable { f(t, std::move(g)); });
    return {std::move(y), this, id};
  }
  void add(std::uint32_t id, V g) {
    if (id != no_gradient) accumulate(gradients_[id], std::move(g));
  }
  /// What has come together of a value's gradient so far, to add a part of it in place; nullptr when nothing has.
  V* pending(std::uint32_t id) { return id != no_gradient && gradients_[id] ? &gradients_[id] : nullptr; }

  /// Unwinds the tape from a scalar. Throws shape_error when y has more than one element and no seed is given.
  void backward(const Var<V>& y) {
    if (y.size() != 1)
      throw shape_error("backward: a scalar wanted, shape is " + y.shape().to_string() + "; pass a seed");
    backward(y, ones_like(y.value()));
  }
  void backward(const Var<V>& y, V seed) {
    if (seed.shape() != y.shape())
      throw shape_error("backward: seed " + seed.shape().to_string() + " for a value of shape " +
                        y.shape().to_string());
    if (!y.needs_gradient()) throw argument_error("backward: this value depends on no input or parameter of the tape");
    add(y.id(), std::move(seed));
    for (std::size_t i = entries_.size(); i-- > 0;) {
      Entry& e = entries_[i];
      if (!e.run) continue;
      V g = std::move(gradients_[i]);
      gradients_[i] = V();
      const auto run = std::exchange(e.run, nullptr);
      run(e.self, g ? this : nullptr, &g);
    }
  }

  /// Forgets everything, keeps the memory.
  void clear() {
    for (Entry& e : entries_) {
      if (e.run) std::exchange(e.run, nullptr)(e.self, nullptr, nullptr);
    }
    entries_.clear();
    gradients_.clear();
    arena_.reset();
    slots_.assign(slots_.size(), Slot{});
    filled_ = 0;
  }

  /// Adds the parameter gradients of another tape (used by checkpoint).
  void add_parameter_gradients(Tape& inner) {
    for (const Slot& s : inner.slots_) {
      if (s.key && inner.gradients_[s.id]) add(leaf_of(s.key), std::move(inner.gradients_[s.id]));
    }
  }
  std::size_t size() const { return entries_.size(); }

 private:
  // The one function runs and destroys the callable; tape == nullptr: destroys only.
  struct Entry {
    void (*run)(void* self, Tape* tape, V* g) = nullptr;
    void* self = nullptr;
  };
  struct Slot {
    const void* key = nullptr;
    std::uint32_t id = 0;
  };

  template <class P>
  static void give(Tape& t, P& p, V g) {
    if (p.id != no_gradient) t.add(p.id, p.f(std::move(g)));
  }
  template <class Run>
  void push(Run run) {
    static_assert(sizeof(Run) <= Arena::chunk_bytes, "an op captures too much");
    void* self = new (arena_.take(sizeof(Run))) Run(std::move(run));
    entries_.push_back({[](void* s, Tape* t, V* g) {
                          Run& r = *static_cast<Run*>(s);
                          struct Destroy {
                            Run& r;
                            ~Destroy() { r.~Run(); }
                          } destroy{r};
                          if (t) r(*t, *g);
                        },
                        self});
  }
  std::uint32_t leaf() {
    gradients_.emplace_back();
    entries_.push_back({});
    return static_cast<std::uint32_t>(gradients_.size() - 1);
  }
  std::size_t hash(const void* p) const {
    return (reinterpret_cast<std::size_t>(p) * 0x9E3779B97F4A7C15ull >> 40) & (slots_.size() - 1);
  }
  const Slot* find(const void* key) const {
    for (std::size_t h = hash(key); slots_[h].key; h = (h + 1) & (slots_.size() - 1)) {
      if (slots_[h].key == key) return &slots_[h];
    }
    return nullptr;
  }
  std::uint32_t leaf_of(const void* key) {
    if (const Slot* s = find(key)) return s->id;
    const std::uint32_t id = leaf();
    insert({key, id});
    if (++filled_ * 2 > slots_.size()) {
      std::vector<Slot> old(slots_.size() * 2);
      old.swap(slots_);
      for (const Slot& s : old) {
        if (s.key) insert(s);
      }
    }
    return id;
  }
  void insert(Slot s) {
    std::size_t h = hash(s.key);
    while (slots_[h].key) h = (h + 1) & (slots_.size() - 1);
    slots_[h] = s;
  }

  std::vector<Entry> entries_;  // entry i made value i; leaves have no function
  std::vector<V> gradients_;
  Arena arena_;
  std::vector<Slot> slots_ = std::vector<Slot>(64);
  std::size_t filled_ = 0;
  bool parameters_held_ = false;
};

// ---- lift(like, v): v as the same kind of value as `like`, so that one body serves Tensor and Var

template <class T>
const Tensor<T>& lift(const Tensor<T>&, const Tensor<T>& v) {
  return v;
}
template <class V, class W>
requires(depth_of<W> <= depth_of<V>) Var<V> lift(const Var<V>& like, const W& v) {
  return like.tape()->constant(lift(like.value(), v));
}
template <class V>
const Var<V>& lift(const Var<V>&, const Var<V>& v) {
  return v;
}
template <class T>
const Tensor<T>& lift(const Tensor<T>&, const Parameter<T>& p) {
  return p.value;
}
template <class V, class T>
Var<V> lift(const Var<V>& like, const Parameter<T>& p) {
  return like.tape()->parameter(p, lift(like.value(), p));
}
template <class T>
const Tensor<T>& lift(const Tensor<std::int32_t>&, const Parameter<T>& p) {
  return p.value;
}
template <std::floating_point T>
Var<Tensor<T>> lift(const VarIds<Tensor<T>>& like, const Parameter<T>& p) {
  return like.tape->parameter(p, p.value);
}

}  // namespace tessera::inline TESSERA_ISA
