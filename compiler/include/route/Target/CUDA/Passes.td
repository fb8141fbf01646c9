// Passes from buffers to GPU kernels and the host code that launches them.
#ifndef ROUTE_TARGET_CUDA_PASSES_TD
#define ROUTE_TARGET_CUDA_PASSES_TD

include "mlir/Pass/PassBase.td"

def RouteSplitHost : Pass<"route-split-host", "::mlir::ModuleOp"> {
  let summary = "gives the host what a GPU cannot do of an entry";
  let description = [{
    What deals with texts, what that is computed from, and loops over elements of
    what the host has anyway become the private function `<entry>.host`, which
    takes what the entry takes. The entry keeps the rest, if a product, a sum or
    a row program is among it.

    The numbers that the host's part gives lie at the start of its workspace, one
    behind the other. The entry has an argument more, `route.role = "host"`, that
    memory; it uploads it by one `gpu.memcpy` into memory of its own workspace
    and reads what it is given there. Scalars it reads where they lie.

    Inputs that the host's part reads, texts, and offsets of the axes that texts
    are over get `route.on_host`; where the entry reads them too it uploads them.
    An entry whose texts hang on products, parameters or state stays whole and
    gets `route.not_on_device`, which says so.
  }];
  let statistics = [Statistic<"numSplit", "split", "Entries with a part for the host">,
                    Statistic<"numCrossing", "crossing", "Values that the host gives GPUs">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::memref::MemRefDialect", "::mlir::bufferization::BufferizationDialect"];
}

def RouteSelectDeviceEntries : Pass<"route-select-device-entries", "::mlir::ModuleOp"> {
  let summary = "leaves the entries that a GPU can run";
  let description = [{
    An entry runs on a GPU if what it computes on tensors can become kernels and
    the host needs no element of a tensor but those that its own part has left
    (`route-split-host`): no text, no state with keys, no host calls. The others get
    an empty body and the attribute
    `route.not_on_device`, which says why; their signatures stay, so that the
    tables of the library keep their numbers. Functions that only those called
    are erased.
  }];
  let statistics = [Statistic<"numSelected", "selected", "Entries that a GPU can run">];
}

def RoutePrepareParameters : Pass<"route-prepare-parameters", "::mlir::ModuleOp"> {
  let summary = "computes once what hangs on parameters alone";
  let description = [{
    Work on elements (linalg) whose operands are parameters, constants and other
    such work moves from the entries to one function, `.prepare`, which the
    runtime calls when a context has its parameters; and so do tables of constants
    that kernels take. What entries read of it lies
    in memory of its own: each value, equal ones of several entries once, is an
    argument of the function and of the entries with `route.role = "prepared"`,
    `route.offset` bytes into that memory. The function's attribute
    `route.prepared_bytes` says how much there is.

    Shapes are static; what a loop picks of a parameter stays in the loop.
  }];
  let statistics = [Statistic<"numPrepared", "prepared", "Values computed once">];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect", "::mlir::func::FuncDialect"];
}

def RouteOutlineKernels : Pass<"route-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "turns linalg operations and copies on buffers into kernels";
  let description = [{
    Each becomes a `gpu.func` in the module of kernels, with a thread for every
    element of the result, and a launch in its place. Reductions run in the order
    of the loops, within a thread. Those that give the same in any order (maxima,
    integers, truths) and are of 256 inputs or more, or of unknown many, have a
    block for every element. Where there are up to 64 elements, blocks share each,
    and a second kernel joins what they have.
  }];
  let statistics = [Statistic<"numKernels", "kernels", "Kernels made">];
  let dependentDialects = ["::mlir::gpu::GPUDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::memref::MemRefDialect", "::mlir::NVVM::NVVMDialect",
    "::mlir::scf::SCFDialect"];
}

def RouteSerializeLoops : Pass<"route-serialize-loops", "::mlir::ModuleOp"> {
  let summary = "makes loops that go item by item plain code on elements";
  let description = [{
    In a loop of unknown many rounds, and in a branch on an element of a buffer,
    what is small (linalg, copies, choices) becomes loops, as for CPUs: a kernel
    runs the whole. A branch that does more gives no buffers: it copies to one
    that is there before it, so that kernels of both branches can be launched.
  }];
  let statistics = [Statistic<"numLoops", "loops", "Loops and branches that became plain code">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def RouteOutlineSerial : Pass<"route-outline-serial", "::mlir::ModuleOp"> {
  let summary = "keeps scalars, and the code on them, on the device";
  let description = [{
    Code of an entry that reads or writes elements of buffers becomes kernels: a
    loop whose rounds may run at the same time gets a thread for each round, all
    else between two launches one thread. What it computes for others lies in
    memory, and kernels load it. Branches on such values run on the device: the
    host launches the kernels of both, and each looks at a guard in memory and
    returns where its branch is not the one. What a loop carries is carried in
    memory, so a loop that ends early runs all its rounds with its guard off.
  }];
  let statistics = [Statistic<"numKernels", "kernels", "Kernels made">,
    Statistic<"numGuarded", "guarded", "Launches under a guard">];
  let dependentDialects = ["::mlir::gpu::GPUDialect", "::mlir::arith::ArithDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect", "::mlir::NVVM::NVVMDialect",
    "::mlir::scf::SCFDialect"];
}

def RouteMergeKernels : Pass<"route-merge-kernels", "::mlir::ModuleOp"> {
  let summary = "launches of equal kernels share one";
  let description = [{
    Kernels that differ in their names and places in the source only become the
    first of them, as where several entries call the same experts.
  }];
  let statistics = [Statistic<"numMerged", "merged", "Kernels that another stands for">];
}

def RouteLowerLaunches : Pass<"route-lower-launches", "::mlir::ModuleOp"> {
  let summary = "launches kernels through the runtime's table";
  let description = [{
    `gpu.launch_func` becomes a call of `route_launcher.launch`, which the entry's
    last argument, the route_env, leads to. A buffer becomes the fields of its
    descriptor, as the conversion of kernels expects; those that its type says are
    constants, and a launch stores each value once. Their addresses a function of
    the module makes of a table. Kernels are numbered in the order of the module
    of kernels.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::arith::ArithDialect",
    "::mlir::scf::SCFDialect"];
}

def RouteKeepIntrinsics : Pass<"route-keep-intrinsics"> {
  let summary = "calls exact functions as LLVM's intrinsics by name";
  let description = [{
    `llvm.intr.sqrt`, `copysign`, `fabs`, `ceil`, `floor` and `roundeven` become
    `llvm.call_intrinsic`: NVPTX has instructions for them that round as the
    processor's do, and convert-gpu-to-nvvm, which expects a library's functions
    in their place, does not accept them. Fast-math flags are ignored, as
    route-expand-math does.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // ROUTE_TARGET_CUDA_PASSES_TD
