// routec, the compiler of .route files; all of it is in the driver library.
#include "route/Driver/Driver.h"
#include "llvm/Support/InitLLVM.h"

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  return route::runDriver(argc, argv);
}
