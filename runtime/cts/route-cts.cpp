// Checks that a library keeps the contract.
// For people who write or change a code generator: exit code 0 when every check
// of runtime/cts holds, 1 when one does not, 2 for a wrong command line.
#include "Conformance.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace route;

static const char usage[] =
    "usage: route-cts LIBRARY [--seed N] [--rounds N] [--params FILE]\n"
    "\n"
    "Checks that a compiled library keeps the contract of route_module.h, on\n"
    "inputs and parameters made up from its descriptor: that outputs do not\n"
    "depend on what memory held, on threads, variants or other items; that\n"
    "nothing else is written; that plans are well formed; that traces "
    "replay.\n";

int main(int argc, char **argv) {
  const char *library = nullptr;
  cts::Options options;
  std::vector<route_file> files;
  for (int i = 1; i < argc; ++i) {
    bool more = i + 1 < argc;
    if (strcmp(argv[i], "--help") == 0) {
      fputs(usage, stdout);
      return 0;
    }
    if (strcmp(argv[i], "--seed") == 0 && more) {
      options.seed = strtoull(argv[++i], nullptr, 10);
    } else if (strcmp(argv[i], "--rounds") == 0 && more) {
      options.rounds = atoi(argv[++i]);
    } else if (strcmp(argv[i], "--params") == 0 && more) {
      files.push_back({nullptr, argv[++i], nullptr, 0});
    } else if (argv[i][0] != '-' && !library) {
      library = argv[i];
    } else {
      fprintf(stderr, "route-cts: error: unexpected argument '%s'\n%s", argv[i],
              usage);
      return 2;
    }
  }
  if (!library || options.rounds < 1) {
    fprintf(stderr, "route-cts: error: %s\n%s",
            library ? "'--rounds' is below 1" : "no library given", usage);
    return 2;
  }
  if (!files.empty()) {
    options.files = files.data();
    options.numFiles = files.size();
  }
  route_error error = {};
  route_module *module = nullptr;
  cts::Report report;
  route_status status = route_module_load(library, &module, &error);
  if (!status)
    status = cts::checkConformance(module, options, report, &error);
  route_module_release(module);
  if (status) {
    fprintf(stderr, "route-cts: error: %s\n", error.message);
    return 1;
  }
  for (const std::string &failure : report.failures)
    printf("failed: %s\n", failure.c_str());
  for (const std::string &output : report.together)
    printf("%s hangs on other items by the spec: not checked for one alone\n",
           output.c_str());
  printf("%llu checks, %zu failed\n",
         static_cast<unsigned long long>(report.checks),
         report.failures.size());
  return report.failures.empty() && report.checks ? 0 : 1;
}
