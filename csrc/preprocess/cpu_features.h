// What this processor can run, asked once.
#pragma once

namespace vrs {

#ifdef VRS_HAVE_AVX2
inline bool supports_avx2() {
  static const bool supported = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return supported;
}
#endif

}  // namespace vrs
