// Expressions that are looked for on demand.
// Which expressions would multiply an automaton's states, and what a text that
// they match must contain.
#ifndef ROUTE_TEXT_GATE_H
#define ROUTE_TEXT_GATE_H

#include "route/Text/Regex.h"

namespace route::text {

/// Whether `regex` repeats a wide set of characters, so that it stays alive
/// through other text and an automaton must track it beside everything else.
bool isSticky(const Regex &regex);

/// A sequence of character sets that every match of `regex` contains, rare
/// enough to decide whether looking for `regex` is worth a pass; or null.
RegexPtr requiredFactor(const Regex &regex);

} // namespace route::text

#endif // ROUTE_TEXT_GATE_H
