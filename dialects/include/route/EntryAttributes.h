// What an entry says of itself and of its arguments once it is a function.
// The conversion to tensors writes these attributes; passes behind it and the
// library's description read them.
#ifndef ROUTE_ENTRYATTRIBUTES_H
#define ROUTE_ENTRYATTRIBUTES_H

#include "llvm/ADT/StringRef.h"

namespace route {

/// Names of the attributes on the arguments of a converted entry.
inline constexpr llvm::StringLiteral kRoleAttr = "route.role";
inline constexpr llvm::StringLiteral kUnitAttr = "route.unit";
inline constexpr llvm::StringLiteral kRowsAttr = "route.rows";
inline constexpr llvm::StringLiteral kNameAttr = "route.name";
inline constexpr llvm::StringLiteral kAxesAttr = "route.axes";
/// On state that is written in place: it is read too.
inline constexpr llvm::StringLiteral kReadsAttr = "route.reads";
/// On an entry that is an event's handler: the event.
inline constexpr llvm::StringLiteral kEventAttr = "route.event";
/// On an output of a plan: its number among the entry's plans, and what it is
/// (index, count, status, column).
inline constexpr llvm::StringLiteral kPlanAttr = "route.plan";
inline constexpr llvm::StringLiteral kPartAttr = "route.part";
/// On an output over items: what it is for one hangs on the others.
inline constexpr llvm::StringLiteral kOtherItemsAttr = "route.other_items";
/// On a converted function: the route function it came from.
inline constexpr llvm::StringLiteral kEntryAttr = "route.entry";
/// On the offsets of an axis: the axis. Its one listed axis is the parent.
inline constexpr llvm::StringLiteral kOfAttr = "route.of";
/// On what says of which positions there is a list, a column, a signal or an
/// argument: the name of the input that has the lists' members.
inline constexpr llvm::StringLiteral kListsAttr = "route.lists";
/// On a function of sizes: the axis whose size it gives, which no input has.
inline constexpr llvm::StringLiteral kDerivedAttr = "route.derived";

} // namespace route

#endif // ROUTE_ENTRYATTRIBUTES_H
