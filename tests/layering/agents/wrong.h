#pragma once

// Wrong on purpose: an include is written from the root.
#include "mlp.h"
