#include "agents/nets/cpu_kernels.h"

namespace agents::kernels {

#ifdef __x86_64__
namespace x86_64_v4 {
extern const CpuKernels kernels;
}
namespace x86_64_v3 {
extern const CpuKernels kernels;
}
#endif
namespace baseline {
extern const CpuKernels kernels;
}

const CpuKernels& cpu_kernels() {
#ifdef __x86_64__
  static const bool has_v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                             __builtin_cpu_supports("bmi2");
  static const bool has_v4 =
      has_v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl");
  if (has_v4) return x86_64_v4::kernels;
  if (has_v3) return x86_64_v3::kernels;
#endif
  return baseline::kernels;
}

}  // namespace agents::kernels
