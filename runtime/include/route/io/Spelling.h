// The name that a misspelt one stands for.
// For messages that end in "did you mean". The compiler has its own, on LLVM's
// edit distance; this library has no LLVM.
#ifndef ROUTE_IO_SPELLING_H
#define ROUTE_IO_SPELLING_H

#include <span>
#include <string>
#include <string_view>

namespace route {

/// The candidate nearest to `name` if few enough edits lie between them, else
/// null. Candidates may be null and are then skipped.
const char *nearestName(std::string_view name,
                        std::span<const char *const> candidates);

/// "; did you mean 'NAME'?", or nothing.
std::string didYouMean(std::string_view name,
                       std::span<const char *const> candidates);

/// The same; where none is near, what there is: "; there are NAME, NAME".
std::string namesLike(std::string_view name,
                      std::span<const char *const> candidates);

} // namespace route

#endif // ROUTE_IO_SPELLING_H
