// A CUDA driver with one device, whose memory is the host's and whose kernels are those that a host compiler made
// (cuda_on_host.hpp). It has the functions that percept's launch code calls, under the names by which they are
// looked up. Everything is done when it returns. cublas.cpp and cudnn.cpp are the libraries beside it.
//
// An array lies between two pages that nothing may touch, right before the second: what reads or writes past
// its end stops the program, which says which kernel it was. What is left of the array's own pages is NaN
// and is looked at when the array is freed. Arrays begin at 16 bytes, so up to 15 may be left behind one; with
// a seed they end exactly at the page, and begin where that puts them, as a part of an array might.
//
// What is asked of a stream that is captured is noted, not done, and done when the graph is launched: with the
// arguments that it had, on arrays that are NaN again where they are allocated, and out of bounds once they are
// freed. What a real driver does not capture, or captures with what the host's memory happens to hold later, is
// refused: uploads, downloads, loading, allocations that wait.
//
// FAKE_CUDA_SEED=n shuffles the order of blocks and threads; FAKE_CUDA_DEVICES=0 has no device;
// FAKE_CUDA_MAJOR=7 has an old one; FAKE_CUDA_BYTES=n has so much memory; FAKE_CUDA_LOG=file gets a line for
// each launch: the kernel's name, cuBLAS, cuDNN, or copy.
#include "driver.hpp"
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>
#include <unordered_map>
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_NOACCESS(from, bytes)
#define VALGRIND_MAKE_MEM_DEFINED(from, bytes)
#endif

typedef unsigned long long u64;

long driver::setting(const char *name, long otherwise) {
  const char *text = std::getenv(name);
  return text ? std::atol(text) : otherwise;
}

namespace {

using driver::setting;

enum Code {
  SUCCESS = 0,
  INVALID = 1,
  NO_MEMORY = 2,
  NO_DEVICE = 100,
  NO_SUCH_DEVICE = 101,
  NOT_FOUND = 500,
  FAILED = 719,
  NOT_IN_CAPTURE = 900
};

thread_local const char *running = "no kernel";

[[noreturn]] void stop(const char *what) {
  char text[256];
  int length = std::snprintf(text, sizeof text, "\n%s: %s\n", running, what);
  if (write(STDERR_FILENO, text, (size_t)length) < 0) _exit(2);
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

// A trap is what the compiler puts where an address is not a multiple of what its type asks for.
void on_signal(int signal) {
  stop(signal == SIGSEGV ? "reads or writes outside of an array" : "an address that is not aligned for its type");
}

// An array and the pages around it.
struct Allocation {
  static constexpr unsigned char UNTOUCHED = 0xff;
  char *pages, *array;
  size_t of_pages, bytes;

  static Allocation of(size_t bytes, size_t alignment) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = (bytes + page - 1) / page * page;
    Allocation made{nullptr, nullptr, inner + 2 * page, bytes};
    void *pages = mmap(nullptr, made.of_pages, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) return made;
    char *first = (char *)pages + page;
    if (mprotect(first, inner, PROT_READ | PROT_WRITE) != 0) {
      munmap(pages, made.of_pages);
      return made;
    }
    std::memset(first, UNTOUCHED, inner);
    made.pages = (char *)pages;
    made.array = first + (inner - bytes) / alignment * alignment;
    made.fences([](char *from, size_t length) { (void)from, (void)length, VALGRIND_MAKE_MEM_NOACCESS(from, length); });
    return made;
  }

  char *first() const { return pages + sysconf(_SC_PAGESIZE); }
  size_t inner() const { return of_pages - 2 * (size_t)sysconf(_SC_PAGESIZE); }

  // As it was when it was made.
  int renew() const {
    if (mprotect(first(), inner(), PROT_READ | PROT_WRITE) != 0) return NO_MEMORY;
    std::memset(first(), UNTOUCHED, inner());
    return SUCCESS;
  }

  // Looked at, and not to be touched until it is renewed.
  int retire() const {
    look();
    mprotect(first(), inner(), PROT_NONE);
    return SUCCESS;
  }

  // The bytes before and behind the array on its own pages.
  template <class F> void fences(F look) const {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *first = pages + page, *last = pages + of_pages - page;
    look(first, (size_t)(array - first));
    look(array + bytes, (size_t)(last - array) - bytes);
  }

  void look() const {
    fences([](char *from, size_t length) {
      VALGRIND_MAKE_MEM_DEFINED(from, length);
      for (size_t i = 0; i < length; i++)
        if ((unsigned char)from[i] != UNTOUCHED) stop("an array is freed, and bytes beside it were written");
    });
  }

  void free() const {
    look();
    munmap(pages, of_pages);
  }
};

struct Memory {
  std::mutex lock;
  std::unordered_map<u64, Allocation> arrays;
  size_t taken = 0;
} memory;

void log(const char *launch) {
  static FILE *file = std::getenv("FAKE_CUDA_LOG") ? std::fopen(std::getenv("FAKE_CUDA_LOG"), "a") : nullptr;
  if (file) std::fprintf(file, "%s\n", launch), std::fflush(file);
}

// What a captured stream was asked for, and the arrays that it allocated.
struct Graph {
  std::vector<std::function<int()>> nodes;
  std::unordered_map<u64, Allocation> arrays;
};

struct Stream {
  Graph *captured = nullptr;

  // Now, or at every launch of the graph.
  int ask(std::function<int()> work) {
    if (!captured) return work();
    captured->nodes.push_back(std::move(work));
    return SUCCESS;
  }
};

Stream *stream_of(void *stream) {
  static Stream by_default;
  return stream ? static_cast<Stream *>(stream) : &by_default;
}

// Whether this thread captures a stream, and must not call what waits for the device.
thread_local bool captures = false;

size_t all_bytes() { return (size_t)setting("FAKE_CUDA_BYTES", 1l << 34); }

} // namespace

bool driver::is_capturing() { return captures; }

int driver::launch(void *stream, const char *name, std::function<void()> work) {
  return stream_of(stream)->ask([=] {
    running = name;
    log(name);
    work();
    running = "no kernel";
    return SUCCESS;
  });
}

extern "C" {

int cuInit(unsigned) {
  for (int signal : {SIGSEGV, SIGILL, SIGTRAP}) {
    struct sigaction action = {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_ONSTACK;
    sigaction(signal, &action, nullptr);
  }
  return setting("FAKE_CUDA_DEVICES", 1) > 0 ? SUCCESS : NO_DEVICE;
}
int cuDeviceGetCount(int *count) { return *count = (int)setting("FAKE_CUDA_DEVICES", 1), SUCCESS; }
int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return ordinal < setting("FAKE_CUDA_DEVICES", 1) ? SUCCESS : NO_SUCH_DEVICE;
}
int cuDeviceGetName(char *name, int length, int) { return std::snprintf(name, length, "a CPU that acts as a GPU"), SUCCESS; }
int cuDeviceGetAttribute(int *value, int attribute, int) {
  const int PROCESSORS = 16, MAJOR = 75, MEMORY_POOLS = 115;
  *value = attribute == MAJOR         ? (int)setting("FAKE_CUDA_MAJOR", 8)
           : attribute == PROCESSORS   ? 4
           : attribute == MEMORY_POOLS ? 1
                                       : 0;
  return SUCCESS;
}
int cuDevicePrimaryCtxRetain(void **context, int) { return *context = &memory, SUCCESS; }
int cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
int cuCtxGetCurrent(void **context) { return *context = &memory, SUCCESS; }
int cuCtxSetCurrent(void *) { return SUCCESS; }
int cuCtxSynchronize() { return captures ? NOT_IN_CAPTURE : SUCCESS; }
int cuStreamCreate(void **stream, unsigned) { return *stream = new Stream, SUCCESS; }
int cuStreamDestroy_v2(void *stream) { return delete static_cast<Stream *>(stream), SUCCESS; }
int cuStreamSynchronize(void *) { return captures ? NOT_IN_CAPTURE : SUCCESS; }
int cuStreamWaitEvent(void *, void *, unsigned) { return SUCCESS; }
int cuEventCreate(void **event, unsigned) { return *event = &memory, SUCCESS; }
int cuEventRecord(void *, void *) { return SUCCESS; }
int cuEventSynchronize(void *) { return SUCCESS; }
int cuEventDestroy_v2(void *) { return SUCCESS; }

int cuStreamBeginCapture_v2(void *stream, int) {
  if (!stream || captures) return NOT_IN_CAPTURE;
  static_cast<Stream *>(stream)->captured = new Graph;
  captures = true;
  return SUCCESS;
}
int cuStreamEndCapture(void *stream, void **graph) {
  if (!captures) return INVALID;
  captures = false;
  return *graph = std::exchange(static_cast<Stream *>(stream)->captured, nullptr), SUCCESS;
}
int cuGraphInstantiateWithFlags(void **launchable, void *graph, u64) { return *launchable = graph, SUCCESS; }
int cuGraphExecDestroy(void *) { return SUCCESS; }
int cuGraphDestroy(void *graph) {
  auto *own = static_cast<Graph *>(graph);
  for (auto &entry : own->arrays) munmap(entry.second.pages, entry.second.of_pages);
  return delete own, SUCCESS;
}
int cuGraphLaunch(void *graph, void *stream) {
  if (stream_of(stream)->captured) return NOT_IN_CAPTURE;
  log("graph");
  for (auto &node : static_cast<Graph *>(graph)->nodes)
    if (int code = node()) return code;
  return SUCCESS;
}

// Memory is not zeroed on a GPU: here it is NaN, in every type.
static int allocate(u64 *pointer, size_t bytes, Stream *stream) {
  std::lock_guard<std::mutex> guard(memory.lock);
  if (bytes == 0) return INVALID;
  if (memory.taken + bytes > all_bytes()) return NO_MEMORY;
  Allocation made = Allocation::of(bytes, setting("FAKE_CUDA_SEED", 0) == 0 ? 16 : 1);
  if (!made.array) return NO_MEMORY;
  *pointer = (u64)made.array;
  if (stream->captured) {
    stream->captured->arrays[*pointer] = made;
    made.retire();
    return stream->ask([made] { return made.renew(); });
  }
  memory.arrays[*pointer] = made;
  memory.taken += bytes;
  return SUCCESS;
}
int cuMemAlloc_v2(u64 *pointer, size_t bytes) {
  return captures ? NOT_IN_CAPTURE : allocate(pointer, bytes, stream_of(nullptr));
}
int cuMemAllocAsync(u64 *pointer, size_t bytes, void *stream) { return allocate(pointer, bytes, stream_of(stream)); }
int cuMemFree_v2(u64 pointer) {
  std::lock_guard<std::mutex> guard(memory.lock);
  auto found = memory.arrays.find(pointer);
  if (captures || found == memory.arrays.end()) return INVALID;
  found->second.free();
  memory.taken -= found->second.bytes;
  memory.arrays.erase(found);
  return SUCCESS;
}
int cuMemFreeAsync(u64 pointer, void *stream) {
  Graph *graph = stream_of(stream)->captured;
  if (!graph) return cuMemFree_v2(pointer);
  auto found = graph->arrays.find(pointer);
  if (found == graph->arrays.end()) return INVALID;
  Allocation freed = found->second;
  return stream_of(stream)->ask([freed] { return freed.retire(); });
}
int cuMemGetInfo_v2(size_t *left, size_t *all) {
  *all = all_bytes();
  *left = *all - memory.taken;
  return SUCCESS;
}
int cuMemcpyHtoDAsync_v2(u64 to, const void *from, size_t bytes, void *) {
  return captures ? NOT_IN_CAPTURE : (std::memcpy((void *)to, from, bytes), SUCCESS);
}
int cuMemcpyDtoHAsync_v2(void *to, u64 from, size_t bytes, void *) {
  return captures ? NOT_IN_CAPTURE : (std::memcpy(to, (void *)from, bytes), SUCCESS);
}
int cuMemcpyDtoDAsync_v2(u64 to, u64 from, size_t bytes, void *stream) {
  return stream_of(stream)->ask([=] {
    log("copy");
    return std::memmove((void *)to, (void *)from, bytes), SUCCESS;
  });
}
int cuMemsetD8Async(u64 to, unsigned char value, size_t bytes, void *stream) {
  return stream_of(stream)->ask([=] { return std::memset((void *)to, value, bytes), SUCCESS; });
}

int cuModuleLoadData(void **module, const void *) { return *module = &memory, captures ? NOT_IN_CAPTURE : SUCCESS; }
int cuModuleUnload(void *) { return SUCCESS; }
int cuModuleGetFunction(void **function, void *, const char *name) {
  auto found = on_host::kernels().find(name);
  if (captures) return NOT_IN_CAPTURE;
  if (found == on_host::kernels().end()) return NOT_FOUND;
  *function = &*found;
  return SUCCESS;
}
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned,
                   void *stream, void **arguments, void **) {
  auto *kernel = static_cast<std::pair<const std::string, on_host::Kernel> *>(function);
  auto kept = kernel->second.keep(arguments);
  return stream_of(stream)->ask([=] {
    unsigned seed = (unsigned)setting("FAKE_CUDA_SEED", 0);
    running = kernel->first.c_str();
    log(running);
    std::string error = on_host::launch(kernel->second, *kept, {gx, gy, gz}, {bx, by, bz}, seed);
    running = "no kernel";
    if (error.empty()) return (int)SUCCESS;
    std::fprintf(stderr, "%s: %s\n", kernel->first.c_str(), error.c_str());
    return (int)FAILED;
  });
}
int cuGetErrorName(int code, const char **name) {
  static thread_local char text[32];
  std::snprintf(text, sizeof text, "CUDA_ERROR_%d", code);
  return *name = text, SUCCESS;
}
int cuGetErrorString(int code, const char **text) {
  *text = code == NO_MEMORY ? "out of memory" : code == NO_DEVICE ? "no CUDA-capable device is detected" : "failed";
  return SUCCESS;
}

} // extern "C"
