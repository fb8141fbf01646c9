// Whole files in and out.
// Short reads and full disks are errors here, never shorter results.
#include "route/io/Files.h"
#include "../core/Support.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

using namespace route;

route_status route::readFile(const char *path, uint64_t limit,
                             std::string &contents, route_error *error) {
  FILE *file = fopen(path, "rb");
  if (!file)
    return fail(error, ROUTE_ERROR_FILE, "cannot open '%.300s': %s", path,
                strerror(errno));
  contents.clear();
  char buffer[1 << 16];
  route_status status = ROUTE_OK;
  while (size_t count = fread(buffer, 1, sizeof(buffer), file)) {
    contents.append(buffer, count);
    if (contents.size() > limit) {
      status =
          fail(error, ROUTE_ERROR_FILE, "'%.300s' has more than %llu bytes",
               path, static_cast<unsigned long long>(limit));
      break;
    }
  }
  if (!status && ferror(file))
    status = fail(error, ROUTE_ERROR_FILE, "cannot read '%.300s': %s", path,
                  strerror(errno));
  fclose(file);
  return status;
}

route_status route::writeFile(const char *path, std::string_view contents,
                              route_error *error) {
  bool standard = strcmp(path, "-") == 0;
  FILE *file = standard ? stdout : fopen(path, "wb");
  if (!file)
    return fail(error, ROUTE_ERROR_FILE, "cannot create '%.300s': %s", path,
                strerror(errno));
  bool written =
      fwrite(contents.data(), 1, contents.size(), file) == contents.size();
  written &= (standard ? fflush(file) : fclose(file)) == 0;
  return written ? ROUTE_OK
                 : fail(error, ROUTE_ERROR_FILE, "cannot write '%.300s': %s",
                        path, strerror(errno));
}
