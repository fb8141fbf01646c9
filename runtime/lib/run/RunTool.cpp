// route-run from its arguments to its exit code.
// The order of things: describe; or replay; or run, emit, save.
#include "Session.h"
#include "route/io/Describe.h"
#include "route/io/Files.h"

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <unistd.h>

using namespace route;

static bool runSession(Session &session, const RunOptions &options) {
  if (!session.open(!options.describe && !options.tune))
    return false;
  if (!session.hasModule())
    return session.runByNames();
  if (!options.host.empty())
    return fail(&session.error, ROUTE_ERROR_ENTRY_KIND,
                "'%.100s' calls nobody: '--host' is for routes that call the "
                "host",
                options.entry.c_str()) == ROUTE_OK;
  if (options.tune)
    return session.tune();
  if (options.describe) {
    std::string text = options.json ? describeJson(session.desc())
                                    : describeText(session.desc());
    return writeFile("-", text, &session.error) == ROUTE_OK;
  }
  if (!options.replay.empty() && !session.replay())
    return false;
  if (!options.entry.empty() && !session.runEntry())
    return false;
  for (const RunOptions::Named &event : options.emits)
    if (!session.emit(event))
      return false;
  return options.stateOut.empty() || session.saveState();
}

/// Becomes the tool with the interpreter. It is a program of its own, beside
/// this one, so that this one needs none of the compiler.
static int runInterpreter(const char *const *argv) {
  char path[PATH_MAX];
  ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
  std::string tool(path, size > 0 ? size : 0);
  tool = tool.substr(0, tool.rfind('/') + 1) + "route-run-interpret";
  execv(tool.c_str(), const_cast<char *const *>(argv));
  fprintf(stderr,
          "route-run: error: '--interpret' needs '%s', which cannot be run: "
          "%s\n",
          tool.c_str(), strerror(errno));
  return 1;
}

void route::noteState(const std::string &cell, const std::string &what) {
  if (!what.empty())
    fprintf(stderr, "route-run: note: of state '%s': %s\n", cell.c_str(),
            what.c_str());
}

int route::runTool(int argc, const char *const *argv,
                   const RunToolHooks &hooks) {
  RunOptions options;
  std::string problem;
  if (!options.parse(argc, argv, problem)) {
    fprintf(stderr, "route-run: error: %s\n%s", problem.c_str(),
            "run 'route-run --help' for how to call it\n");
    return 2;
  }
  if (options.help) {
    fputs(runUsage, stdout);
    return 0;
  }
  if (options.version) {
    printf("route-run %s, module ABI version %u\n", route_version(),
           ROUTE_MODULE_ABI_VERSION);
    return 0;
  }
  if (options.interpret && !hooks.load)
    return runInterpreter(argv);
  Session session(options, hooks);
  if (runSession(session, options))
    return 0;
  fprintf(stderr, "route-run: error: %s\n", session.error.message);
  return 1;
}
