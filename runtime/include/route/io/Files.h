// Whole files in and out.
// What the tools need of the file system, with the runtime's errors.
#ifndef ROUTE_IO_FILES_H
#define ROUTE_IO_FILES_H

#include "route/route.h"

#include <string>
#include <string_view>

namespace route {

/// Reads a whole file of at most `limit` bytes. Errors: FILE.
route_status readFile(const char *path, uint64_t limit, std::string &contents,
                      route_error *error);

/// Writes a whole file; "-" is standard output. Errors: FILE.
route_status writeFile(const char *path, std::string_view contents,
                       route_error *error);

} // namespace route

#endif // ROUTE_IO_FILES_H
