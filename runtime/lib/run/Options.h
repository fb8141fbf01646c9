// route-run's command line.
// What the user asked for, or what is wrong with how they asked.
#ifndef ROUTE_LIB_RUN_OPTIONS_H
#define ROUTE_LIB_RUN_OPTIONS_H

#include <cstdint>
#include <string>
#include <vector>

namespace route {

struct RunOptions {
  /// NAME or NAME=FILE; FILE is empty without.
  struct Named {
    std::string name, file;
  };

  /// -D axis=N.
  struct Size {
    std::string axis;
    int64_t size;
  };

  std::string library, entry;
  bool interpret = false;
  bool help = false, version = false;
  bool describe = false, json = false, bench = false, allowExtra = false;
  bool tune = false;
  std::vector<int64_t> tokens; ///< of --tune: numbers of items, ascending
  std::vector<std::string> inputs, folders;
  std::vector<Size> sizes;
  std::vector<Named> params; ///< name: the label, or empty
  std::vector<Named> emits;  ///< name: the event
  std::string outputs, trace, replay, stateIn, stateOut, host;
  int64_t threads = 1, now = 0, gapMs = -1;
  uint64_t seed = 0, id = 0;

  /// False with what is wrong in `problem`.
  bool parse(int argc, const char *const *argv, std::string &problem);
};

extern const char runUsage[];

} // namespace route

#endif // ROUTE_LIB_RUN_OPTIONS_H
