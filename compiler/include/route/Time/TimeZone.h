// Days and months of real time zones.
// Budgets count by the day and month of a place. The rules come from ICU's copy
// of the tz database, which the text functions link already.
#ifndef ROUTE_TIME_TIMEZONE_H
#define ROUTE_TIME_TIMEZONE_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace route {

/// True for a name of the tz database, such as "Europe/Berlin", and for "UTC".
bool isTimeZone(llvm::StringRef name);

/// Names of all zones, for suggestions.
std::vector<std::string> timeZoneNames();

/// How far local time is ahead of UTC at `nowNs` (ns since 1970, UTC), in ns;
/// nothing for a name that is no zone.
std::optional<int64_t> timeZoneOffsetNs(llvm::StringRef name, int64_t nowNs);

} // namespace route

#endif
