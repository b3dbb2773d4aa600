// What this processor can run, asked once.
#pragma once

namespace vrs {

#ifdef VRS_HAVE_AVX2
inline bool supports_avx2() {
  static const bool supported = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return supported;
}
#endif

#ifdef VRS_HAVE_AVXVNNI
inline bool supports_avxvnni() {
#ifdef VRS_AVXVNNI_IN_AVX512_ENCODING
  static const bool supported =
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
#else
  static const bool supported = supports_avx2() && __builtin_cpu_supports("avxvnni");
#endif
  return supported;
}
#endif

#ifdef VRS_HAVE_AVX512VNNI
inline bool supports_avx512vnni() {
  static const bool supported =
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  return supported;
}
#endif

}  // namespace vrs
