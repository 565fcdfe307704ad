#pragma once

#include "base/context.hpp"
#include "model/profile.hpp"

namespace profcore {

enum class Expansion {
  kTree,   ///< every node of the stack trie once
  kStacks, ///< every sample's stack on its own
};

/// For whoever writes inlined lines out as frames. A location with many lines costs its bytes once
/// and a byte per use, so a small file can stand for billions of frames. Throws kLimit when the
/// frames are out of all proportion: more than 32 per location met on average, beside a million and
/// four times the lines there are (a writer may put a whole stack into one location). Costs a
/// look at the locations, and at the stacks only when some location has more than 32 lines.
void check_expansion(const Profile &profile, Expansion expansion);

} // namespace profcore
