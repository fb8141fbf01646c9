// One element to and from JSON.
// What a JSON value means for each element type, in one place for reading and
// writing.
#ifndef ROUTE_IO_SCALARS_H
#define ROUTE_IO_SCALARS_H

#include "route/io/Json.h"
#include "route/io/Values.h"

#include <string>

namespace route {

/// Whether the type counts money. Its unit begins with "p$": picodollars in
/// memory. Records give and take dollars, which are 10^12 of them.
bool isMoney(const route_type_desc &type);

/// Reads one element of the port's type from `json` to `target`; a text's
/// characters go to `texts`. False with what was expected in `expected`.
bool readElement(const route_module_desc &module, const route_port_desc &port,
                 const Json &json, char *target, std::deque<std::string> &texts,
                 std::string &expected);

/// Appends the element at `source` as JSON. Numbers print shortest, infinities
/// and NaN as strings, money in dollars, members of enums and axes by name.
void writeElement(const route_module_desc &module, const route_type_desc &type,
                  const char *source, std::string &text);

/// Appends a JSON string; invalid UTF-8 becomes U+FFFD.
void writeString(std::string_view bytes, std::string &text);

} // namespace route

#endif // ROUTE_IO_SCALARS_H
