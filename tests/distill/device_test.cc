#include "distill/device.h"

#include <gmock/gmock.h>

#include <fstream>

#include "rl/torch.h"
#include "tests/distill/expect_error.h"
#include "tests/distill/own_temp.h"

namespace distill {
namespace {

std::string maps_with(const std::string& library) {
  const std::string path = own_temp("decant_maps");
  std::ofstream(path) << "7f00-7f01 r--p 00000000 08:01 42                 " << library << "\n";
  return path;
}

TEST(BlasWarning, NamesTheLibraryThatDoesNotScale) {
  const auto warning =
      blas_warning(maps_with("/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblasp-r0.3.21.so"));
  ASSERT_TRUE(warning);
  EXPECT_THAT(*warning,
              testing::StartsWith("warning: /usr/lib/x86_64-linux-gnu/openblas-pthread/"));
  EXPECT_EQ(warning->find('\n'), std::string::npos);
}

TEST(BlasWarning, IsSilentOtherwise) {
  EXPECT_FALSE(blas_warning(maps_with("/usr/lib/openblas-openmp/libopenblasp-r0.3.21.so")));
  EXPECT_FALSE(blas_warning("/no/such/file"));
}

TEST(RequireDevice, TakesTheHost) { EXPECT_NO_THROW(require_device("cpu", "device")); }

TEST(RequireDevice, RefusesWhatIsNoDeviceOrNotThere) {
  expect_error([] { require_device("gpu", "--device"); },
               "--device: expected cpu, cuda or cuda:N, found \"gpu\"");
  expect_error([] { require_device("cuda:99", "device"); }, "device: cuda:99 is not there",
               /*is_whole=*/false);
}

}  // namespace
}  // namespace distill
