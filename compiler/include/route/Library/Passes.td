// Passes that give converted entries the calling convention of a compiled library.
#ifndef ROUTE_LIBRARY_PASSES_TD
#define ROUTE_LIBRARY_PASSES_TD

include "mlir/Pass/PassBase.td"

def RouteHoistPacks : Pass<"route-hoist-packs", "::mlir::ModuleOp"> {
  let summary = "moves the packing of parameters from calls to their binding";
  let description = [{
    A parameter that every entry reads only through one `ragged.pack` is packed
    once, when it is bound: the pack and the reshapes before it become a function
    `pack.<param>(source, slice, packed)`, attribute `route.pack`, and the entries
    take the panels instead. A checkpoint name with placeholders gives a tensor a
    slice; then only reshapes may stand before the pack. Other packs stay.
  }];
  let statistics = [Statistic<"numHoisted", "hoisted", "Parameters packed at binding">];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
}

def RoutePlanWorkspace : Pass<"route-plan-workspace", "::mlir::ModuleOp"> {
  let summary = "lays temporary buffers out in the caller's workspace";
  let description = [{
    Every `memref.alloc` of an entry becomes a view of a workspace argument, an
    i8 buffer that comes last. Buffers that are not live at the same time share
    a slot, as large as the largest of them. The sizes, functions of the sizes of
    axes alone, also become a function `workspace.<entry>` that gives the bytes
    needed. An allocation whose size depends on data is an error: a library
    allocates nothing.
  }];
  let statistics = [Statistic<"numBuffers", "buffers", "Buffers planned">,
                    Statistic<"numSlots", "slots", "Slots they share">];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
}

def RouteOwnDestinations : Pass<"route-own-destinations", "::mlir::ModuleOp"> {
  let summary = "what an output begins as is begun for it alone";
  let description = [{
    Outputs and cells of state are made where the caller wants them: empty
    tensor elimination puts the memory of an output under all values on the way
    to it. Bufferization orders reads and writes of tensors, and does not see
    that the output is written at the end. A value on the way that has another
    use would be overwritten before that use; two sums that begin as one fill
    of zeros are such. Fills are repeated, other such values copied.

    ```mlir
    %0 = linalg.fill ins(%zero : f32) outs(%empty : tensor<4xf32>) -> tensor<4xf32>
    %a = linalg.reduce { arith.addf } ins(%x : tensor<4x8xf32>) outs(%0 : tensor<4xf32>) dimensions = [1]
    %b = linalg.reduce { arith.addf } ins(%y : tensor<4x8xf32>) outs(%0 : tensor<4xf32>) dimensions = [1]
    ```
    where `%a` and `%b` both leave becomes two fills.
  }];
  let statistics = [Statistic<"numRepeated", "repeated", "Fills that are made once more">,
                    Statistic<"numCopied", "copied", "Values that are copied">];
}

def RouteMergeBodies : Pass<"route-merge-bodies", "::mlir::ModuleOp"> {
  let summary = "keeps one of several private functions that do the same";
  let description = [{
    A router and the layer that calls it are two entries with the same row
    programs and products. Their outlined bodies are compared without names and
    places, by hash first, and calls go to the first of equal ones.
  }];
  let statistics = [Statistic<"numMerged", "merged", "Functions that another stands for">];
}

def RouteWrapEntries : Pass<"route-wrap-entries", "::mlir::ModuleOp"> {
  let summary = "gives entries the calling convention of route_module.h";
  let description = [{
    Adds for each entry `entry.<name><suffix>(invocation) -> i32`, which unpacks
    route_invocation and calls it, and for each workspace function and pack
    function one with the type that the module's description needs. Calls that
    may be split over threads, `row.parallel` and `ragged.parallel`, go through
    the parallel_for of the caller's environment.
  }];
  let options = [
    Option<"suffix", "suffix", "std::string", "\"\"", "ends the names of this ISA's functions">,
    Option<"bf16Suffix", "bf16-suffix", "std::string", "\"\"",
           "ends the names of entries of the level that shares all but products of bf16, for isa=v4+bf16">
  ];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::func::FuncDialect", "::mlir::arith::ArithDialect"];
}

#endif
