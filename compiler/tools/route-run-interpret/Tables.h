// State with keys and sets of state, to and from a library's tables.
#ifndef ROUTE_TOOLS_RUN_INTERPRET_TABLES_H
#define ROUTE_TOOLS_RUN_INTERPRET_TABLES_H

#include "route/Interpreter/Machine.h"

namespace route {

/// Writes the cells of a state with keys, the least recently written first, as
/// the table of `words` words at `data`.
void writeTable(const interp::KeyedState &keyed, StateOp state, int64_t words,
                int64_t *data);
/// The cells of the table at `data`; of a text in a key its digest. Fails with
/// a message where keys have axes.
mlir::FailureOr<interp::KeyedState> readTable(interp::Machine &machine,
                                              StateOp state, int64_t words,
                                              const int64_t *data);

/// The same of sets of state, a table of `words` words for each position.
/// What is read of a text is its digest, the list of two words.
void writeSets(const interp::Array &sets, int64_t words, int64_t *data);
void readSets(interp::Array &sets, int64_t words, const int64_t *data);

} // namespace route

#endif
