// What the libraries beside the driver use of it, and the numbers that arrays hold.
#pragma once
#include "cuda_on_host.hpp"
#include <functional>

namespace driver {

// An environment variable's number.
long setting(const char *name, long otherwise);

// Whether this thread captures a stream, and must not call what allocates, loads or waits.
bool is_capturing();

// Has a stream do what a library launches under this name: now, or at every launch of the graph that captures it.
int launch(void *stream, const char *name, std::function<void()> work);

inline float number(float v) { return v; }
inline float number(__half v) { return __half2float(v); }
inline float number(__nv_bfloat16 v) { return __bfloat162float(v); }
inline void store(float *to, float v) { *to = v; }
inline void store(__half *to, float v) { *to = __float2half_rn(v); }
inline void store(__nv_bfloat16 *to, float v) { *to = __float2bfloat16_rn(v); }

} // namespace driver
