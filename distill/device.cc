#include "distill/device.h"

#include <malloc.h>
#include <torch/cuda.h>

#include <cstdlib>
#include <fstream>

#include "distill/run_config.h"
#include "rl/parallel.h"
#include "rl/torch.h"

namespace distill {
void set_up_process() {
  // glibc gives large tensors back to the kernel at every free and faults them in again at the next
  // allocation: keeping them made a teacher's pass 1.5 times as fast. So nothing is mapped by itself,
  // the heap is never trimmed, and it grows by 64 MiB at a time.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2147483647);
  mallopt(M_TOP_PAD, 64 << 20);
  const char* asked = std::getenv("OMP_NUM_THREADS");
  const int threads = asked == nullptr ? rl::core_count() : std::atoi(asked);
  at::set_num_threads(std::max(1, threads));
}

std::optional<std::string> blas_warning(const std::string& maps) {
  std::ifstream file(maps);
  for (std::string line; std::getline(file, line);) {
    if (line.find("openblas-pthread") == std::string::npos) continue;
    const std::string path = line.substr(line.find('/'));
    return "warning: " + path + " is the pthread flavour of OpenBLAS, with which two threads are " +
           "slower than one; install libopenblas0-openmp and remove libopenblas0-pthread";
  }
  return std::nullopt;
}

void require_device(const std::string& device, const std::string& where) {
  if (!is_device(device)) {
    throw ConfigError(where + ": expected cpu, cuda or cuda:N, found \"" + device + "\"");
  }
  if (device == "cpu") return;
  const auto count = torch::cuda::is_available() ? torch::cuda::device_count() : 0;
  const size_t index = device == "cuda" ? 0 : std::stoul(device.substr(5));
  if (index < count) return;
  throw ConfigError(where + ": " + device + " is not there; this machine and build have " +
                    std::to_string(count) + " CUDA devices");
}

}  // namespace distill
