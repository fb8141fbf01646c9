// A library that the runtime refuses is found out when it is written.
// Descriptions without entries, one good and one whose parameter is bound by a
// name that does not fit its axes, as a shared object and as an archive.
#include "mlir/IR/MLIRContext.h"
#include "route/Library/Library.h"
#include "route/route_module.h"
#include "llvm/Support/raw_ostream.h"

using namespace route;

static void show(mlir::MLIRContext &context, llvm::StringRef folder,
                 llvm::StringRef tensor) {
  Schema schema;
  schema.axes.resize(2);
  schema.axes[0].name = "expert";
  schema.axes[0].size = 2;
  schema.axes[1].name = "hidden";
  schema.axes[1].size = 4;
  ParamSchema param;
  param.name = "w";
  param.tensor = tensor.str();
  param.type.element = ROUTE_F32;
  param.axes = {0, 1};
  schema.params.push_back(param);
  LibraryOptions options;
  options.name = "made";
  auto description = emitDescription(context, schema, options, {});
  if (failed(description))
    return;
  for (llvm::StringRef name : {"/made.so", "/made.a"}) {
    std::string path = (folder + name).str();
    std::string written = writeLibrary(*description, path);
    llvm::outs() << tensor << name.drop_front(5) << ": "
                 << (written.empty() ? whyNotLoadable(*description, path)
                                     : written)
                 << '\n';
  }
}

int main(int argc, char **argv) {
  mlir::MLIRContext context;
  show(context, argv[argc - 1], "e.{expert}.w");
  show(context, argv[argc - 1], "e.{hidden}.w");
}
