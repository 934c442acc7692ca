#pragma once

/// What is decided once, when the program starts: memory, threads, libraries, devices.

#include <optional>
#include <string>

namespace distill {

/// Tells the allocator to keep what is freed, and gives the operators all cores that this process may
/// use (or OMP_NUM_THREADS of them).
void set_up_process();

/// What is wrong with the linear algebra library that was loaded, if anything.
///
/// @param maps a file like /proc/self/maps.
std::optional<std::string> blas_warning(const std::string& maps = "/proc/self/maps");

/// @param where "device", "--device": begins the message.
/// @throws ConfigError for a device that is none, or that this machine has not.
void require_device(const std::string& device, const std::string& where);

}  // namespace distill
