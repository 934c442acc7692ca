#include <iostream>

#include "distill/commands/commands.h"
#include "distill/device.h"

int main(int argc, char** argv) {
  distill::set_up_process();
  if (const auto warning = distill::blas_warning()) std::cerr << *warning << '\n';
  return distill::main_command({argv + 1, argv + argc});
}
