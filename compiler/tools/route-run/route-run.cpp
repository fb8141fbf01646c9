// Runs a compiled .route library on files.
// The tool is runtime/lib/run; it needs neither LLVM nor the compiler.
#include "route/io/RunTool.h"

int main(int argc, char **argv) {
  return route::runTool(argc, argv, route::RunToolHooks());
}
