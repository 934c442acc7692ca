#pragma once

namespace rl {

/// Rows that stand for two episodes at once, whose observations are mixed: `Trajectory::observation` is
/// [B, L, 2], the first episode's ids and the second's. Nobody acted in such states: they are learned from
/// and never played. What the rows need beyond that stands in their notes.
inline constexpr const char* kFirstShare = "first_share";  // float32[B, T], the same in a row: the
                                                           // first one's share of the mixture
inline constexpr const char* kSecondAction =
    "second_action";  // int64[B, T], the second one's actions

}  // namespace rl
