// Wrong on purpose: rl stands to the left of envs.
#include "envs/token/prompts.h"
