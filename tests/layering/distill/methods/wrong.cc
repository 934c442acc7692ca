// Wrong on purpose: a method reaches LibTorch through spec.h.
#include <vector>  // fine

#include "distill/spec.h"
