// Runs CUDA kernels on the CPU, to test what they compute; read in place of the CUDA headers by
// kernels/prelude.cuh. C++17.
//
// A launch runs its blocks one after the other. The threads of a block are fibers on the calling thread
// that change places only where they wait for each other: at barriers, shuffles and votes. A fiber goes
// through threads until one has to wait, so a kernel without barriers is a plain loop. With a seed, the
// order of blocks and of threads is shuffled: what leans on an order that CUDA does not promise breaks.
//
// What it does not show: asynchrony, the memory model within a warp, fast mathematics, speed. A barrier in
// divergent code and a vote with a lane missing are reported.
#pragma once
#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <type_traits>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __device__
#define __forceinline__ inline
#define __shared__ static thread_local // one block at a time on a thread, and fibers stay on it

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
};
struct alignas(8) float2 {
  float x, y;
};

// Both round to nearest, ties to even, as the CUDA headers do.
struct __half {
  _Float16 bits;
};
struct __nv_bfloat16 {
  uint16_t bits;
};
inline float __half2float(__half h) { return (float)h.bits; }
inline __half __float2half_rn(float f) { return {(_Float16)f}; }
inline float __bfloat162float(__nv_bfloat16 h) {
  uint32_t bits = (uint32_t)h.bits << 16;
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}
inline __nv_bfloat16 __float2bfloat16_rn(float f) {
  if (f != f) return {0x7fff};
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  return {(uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
inline float float_of_bits(unsigned bits) {
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

namespace on_host {

enum class State { Running, AtBlock, AtWarp, Idle };

struct Fiber {
  static constexpr size_t STACK = 256 << 10;
  ucontext_t context;
  jmp_buf jump;
  std::unique_ptr<char[]> stack{new char[STACK]};
  bool begun = false;
  unsigned thread = 0, mask = 0;
  State state = State::Idle;
};

// A copy of a launch's arguments, and pointers to each.
struct Arguments {
  std::shared_ptr<void> values;
  std::vector<void *> pointers;
};

struct Kernel {
  void *function;
  void (*call)(void *, void **);
  std::shared_ptr<Arguments> (*keep)(void **);
};

inline std::map<std::string, Kernel> &kernels() {
  static std::map<std::string, Kernel> all;
  return all;
}

// One block on its way.
class Block {
public:
  Dim3 grid, block;
  Dim3 thread_index, block_index;
  std::string error;

  Block(Kernel kernel, void **arguments, Dim3 grid, Dim3 block, unsigned seed)
      : grid(grid), block(block), kernel(kernel), arguments(arguments), shuffled(seed != 0), random(seed),
        count(block.x * block.y * block.z), of_thread(count), order(count), slots(count + 31) {}

  void run(Dim3 index) {
    block_index = index;
    for (unsigned i = 0; i < count; i++) order[i] = i;
    shuffle(order);
    started = 0;
    while (started < count) {
      if (idle.empty()) idle.push_back(add_fiber());
      Fiber *fiber = idle.back();
      idle.pop_back();
      resume(fiber);
    }
    while (error.empty() && release()) {
    }
  }

  // By a thread: gives way until all of its block, or of the mask's lanes, wait too.
  void wait(State why, unsigned mask) {
    Fiber *fiber = current;
    fiber->state = why;
    fiber->mask = mask;
    give_way(fiber);
    locate(fiber->thread);
  }

  unsigned lane() const { return current->thread % 32; }

  // The value that another lane of this warp publishes.
  template <class T> T exchange(unsigned mask, T value, unsigned source) {
    static_assert(sizeof(T) <= 8);
    unsigned warp = current->thread / 32 * 32;
    if (!(mask >> lane() & 1)) error = "a lane outside of its own mask";
    std::memcpy(&slots[current->thread], &value, sizeof(T));
    wait(State::AtWarp, mask);
    T other = value;
    bool present = (mask >> source & 1) && warp + source < count && of_thread[warp + source];
    if (present) std::memcpy(&other, &slots[warp + source], sizeof(T));
    else error = "a value from a lane that is not there";
    wait(State::AtWarp, mask);
    return other;
  }

  // A bit for every lane of the mask that votes yes.
  unsigned ballot(unsigned mask, bool vote) {
    unsigned warp = current->thread / 32 * 32, bits = 0;
    slots[current->thread] = vote;
    wait(State::AtWarp, mask);
    for (unsigned l = 0; l < 32; l++) {
      if (!(mask >> l & 1)) continue;
      if (warp + l >= count || !of_thread[warp + l]) error = "a vote with a lane that is not there";
      else bits |= (unsigned)slots[warp + l] << l;
    }
    wait(State::AtWarp, mask);
    return bits;
  }

private:
  Kernel kernel;
  void **arguments;
  bool shuffled;
  std::mt19937 random;
  unsigned count, started = 0;
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Fiber *> idle, of_thread;
  std::vector<unsigned> order;
  std::vector<uint64_t> slots;
  jmp_buf scheduler;
  Fiber *current = nullptr;

  template <class V> void shuffle(V &values) {
    if (shuffled) std::shuffle(values.begin(), values.end(), random);
  }

  void locate(unsigned t) { thread_index = {t % block.x, t / block.x % block.y, t / (block.x * block.y)}; }

  // swapcontext calls the system at each change; after a fiber's first start these two do without.
  void give_way(Fiber *fiber) {
    if (!_setjmp(fiber->jump)) _longjmp(scheduler, 1);
  }

  void resume(Fiber *fiber) {
    current = fiber;
    fiber->state = State::Running;
    if (_setjmp(scheduler)) return;
    if (fiber->begun) _longjmp(fiber->jump, 1);
    fiber->begun = true;
    setcontext(&fiber->context);
  }

  Fiber *add_fiber();

  static void body();

  // Lets those go on who have met; false when all are done.
  bool release() {
    unsigned alive = 0, at_block = 0;
    for (Fiber *fiber : of_thread) {
      alive += fiber != nullptr;
      at_block += fiber && fiber->state == State::AtBlock;
    }
    if (alive == 0) return false;
    std::vector<Fiber *> ready;
    for (unsigned t : order)
      if (of_thread[t] && (at_block == alive || has_met(t))) ready.push_back(of_thread[t]);
    if (ready.empty()) {
      error = std::to_string(at_block) + " of " + std::to_string(alive) + " threads wait at __syncthreads for the others";
      return false;
    }
    shuffle(ready);
    for (Fiber *fiber : ready) resume(fiber);
    return true;
  }

  // Whether every living lane of the mask waits for the warp as well.
  bool has_met(unsigned t) const {
    const Fiber *fiber = of_thread[t];
    if (fiber->state != State::AtWarp) return false;
    for (unsigned l = 0, first = t / 32 * 32; l < 32 && first + l < count; l++) {
      const Fiber *other = of_thread[first + l];
      if ((fiber->mask >> l & 1) && other && other->state != State::AtWarp) return false;
    }
    return true;
  }
};

inline thread_local Block *now = nullptr;

inline void Block::body() {
  for (;;) {
    Block &block = *now;
    Fiber *fiber = block.current;
    if (block.started == block.count) {
      fiber->state = State::Idle;
      block.idle.push_back(fiber);
      block.give_way(fiber);
      continue;
    }
    unsigned t = block.order[block.started++];
    fiber->thread = t;
    fiber->state = State::Running;
    block.of_thread[t] = fiber;
    block.locate(t);
    block.kernel.call(block.kernel.function, block.arguments);
    block.of_thread[t] = nullptr;
  }
}

inline Fiber *Block::add_fiber() {
  fibers.emplace_back(new Fiber);
  Fiber *fiber = fibers.back().get();
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = fiber->stack.get();
  fiber->context.uc_stack.ss_size = Fiber::STACK;
  fiber->context.uc_link = nullptr;
  makecontext(&fiber->context, body, 0);
  return fiber;
}

// Empty, or what went wrong.
inline std::string launch(Kernel kernel, Arguments &arguments, Dim3 grid, Dim3 block, unsigned seed) {
  unsigned threads = block.x * block.y * block.z;
  if (threads == 0 || threads > 1024 || grid.y > 65535 || grid.z > 65535 || !grid.x || !grid.y || !grid.z)
    return "a grid or block of a size that no device has";
  Block run(kernel, arguments.pointers.data(), grid, block, seed);
  std::vector<uint64_t> blocks((uint64_t)grid.x * grid.y * grid.z);
  for (uint64_t i = 0; i < blocks.size(); i++) blocks[i] = i;
  std::mt19937_64 random(seed);
  if (seed != 0) std::shuffle(blocks.begin(), blocks.end(), random);
  Block *before = std::exchange(now, &run);
  for (uint64_t b : blocks) {
    run.run({(unsigned)(b % grid.x), (unsigned)(b / grid.x % grid.y), (unsigned)(b / grid.x / grid.y)});
    if (!run.error.empty()) break;
  }
  now = before;
  return run.error;
}

template <class... A, size_t... I> void call(void (*kernel)(A...), void **arguments, std::index_sequence<I...>) {
  kernel(*static_cast<std::remove_reference_t<A> *>(arguments[I])...);
}

template <class... A, size_t... I>
std::shared_ptr<Arguments> keep(void **arguments, std::index_sequence<I...>) {
  auto values = std::make_shared<std::tuple<std::remove_reference_t<A>...>>(
      *static_cast<std::remove_reference_t<A> *>(arguments[I])...);
  std::vector<void *> pointers{(void *)&std::get<I>(*values)...};
  return std::make_shared<Arguments>(Arguments{values, pointers});
}

template <class... A> int add(const char *name, void (*kernel)(A...)) {
  auto trampoline = [](void *function, void **arguments) {
    call(reinterpret_cast<void (*)(A...)>(function), arguments, std::index_sequence_for<A...>{});
  };
  auto kept = [](void **arguments) { return keep<A...>(arguments, std::index_sequence_for<A...>{}); };
  kernels()[name] = {reinterpret_cast<void *>(kernel), trampoline, kept};
  return 0;
}

} // namespace on_host

#define threadIdx (::on_host::now->thread_index)
#define blockIdx (::on_host::now->block_index)
#define blockDim (::on_host::now->block)
#define gridDim (::on_host::now->grid)
#define KERNEL(name, ...)                                                                                              \
  static void name(__VA_ARGS__);                                                                                       \
  static int added_##name = ::on_host::add(#name, name);                                                               \
  static void name(__VA_ARGS__)

inline void __syncthreads() { on_host::now->wait(on_host::State::AtBlock, 0); }

template <class T> T __shfl_xor_sync(unsigned mask, T value, int distance) {
  return on_host::now->exchange(mask, value, on_host::now->lane() ^ (unsigned)distance);
}

inline unsigned __ballot_sync(unsigned mask, int vote) { return on_host::now->ballot(mask, vote != 0); }

// Of a block of one dimension.
inline int __syncthreads_or(int vote) {
  static thread_local int any;
  __syncthreads();
  if (on_host::now->thread_index.x == 0) any = 0;
  __syncthreads();
  any |= vote != 0;
  __syncthreads();
  return any;
}

using std::max;
using std::min;
