// The ragged dialect: declarations of its passes.
#ifndef ROUTE_DIALECT_RAGGED_TRANSFORMS_PASSES_TD
#define ROUTE_DIALECT_RAGGED_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def RaggedPackWeights : Pass<"ragged-pack-weights"> {
  let summary = "give every grouped matmul its weights as panels";
  let description = [{
    Rewrites matmuls on plain weights into matmuls on the panels that a
    `ragged.pack` makes of them, one pack for each weight and function. The
    packs come right after what defines the weights, in reach of whoever splits
    the binding of parameters from their use. Works on tensors; on memrefs it
    would have to allocate, so those are left alone.
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
  let statistics = [
    Statistic<"numPacked", "packed", "weights given as panels">
  ];
}

def RaggedNarrowResults : Pass<"ragged-narrow-results"> {
  let summary = "let combinations and products round their results themselves";
  let description = [{
    A `ragged.combine` to f32 whose one user rounds every element to a narrower
    type gives that type itself: the same bits, and no f32 in memory. So does a
    `ragged.matmul`, also where its user does more with what it has rounded. A
    product of at most `least-columns` columns keeps f32, a form of its own.
    A result of a row program that is widened last and only scales combinations
    stays as it was before: they widen it when they read it, and a router alone
    and one in a layer are the same program.
  }];
  let options = [Option<"leastColumns", "least-columns", "int64_t", /*default=*/"512",
                        "columns beyond which a product rounds">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"numNarrowed", "narrowed", "combinations and products that round, and scales">];
}

def RaggedJoinInterleaved : Pass<"ragged-join-interleaved"> {
  let summary = "multiply parts of a parameter that alternate along its columns together";
  let description = [{
    Transposed weights that are the parts of one tensor [E, K, N, P] become that
    tensor, [E, K, N * P], with `interleaved P`: its rows lie side by side, which
    those of the parts do not. Biases of such a product are no longer copied out
    of their parameter. Kernels take that form; panels do not need it.
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"numJoined", "joined", "matmuls whose weights were joined">];
}

def RaggedFuseSlots : Pass<"ragged-fuse-slots"> {
  let summary = "few items go through their experts slot by slot, without an order";
  let description = [{
    A chain `gather`, products, `combine` over one order gets a second form, for
    calls with few slots: each product is a `ragged.slot_matmul`, the first on the
    items' own rows, the last with the combination in it. No order is made for it.
    The number of slots of each call decides. Products of the chain that need more
    slots than that carry `ragged.many`.

    A product with values for each row, a chain whose intermediate results have
    other users, and items with more than 16 slots keep the one form.
  }];
  let options = [
    Option<"fewRows", "few-rows", "int64_t", "-1",
           "slots up to which the second form runs; by default what the cost model says, a quarter of the experts at most; 0 for never">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"
  ];
  let statistics = [Statistic<"numFused", "fused", "chains that got a second form">];
}

def RaggedNarrowProducts : Pass<"ragged-narrow-products"> {
  let summary = "products of widened f16 take f16";
  let description = [{
    Tensors of f16 reach products widened to f32. Where rows and weights are all
    such, the product takes the f16 itself, and so do the gather before it and the
    combination behind it: the same values, exact in f32, without a copy of the
    weights. A product whose epilogue widens an f16 last gives that f16.
    Kernels for GPUs take f16; panels for CPUs do not.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"numNarrowed", "narrowed", "products that take f16">];
}

def ConvertRaggedToCPU : Pass<"convert-ragged-to-cpu", "::mlir::ModuleOp"> {
  let summary = "lower ragged ops on memrefs to loops over vectors";
  let description = [{
    `ragged.count`, `offsets` and `permute` become loops in place. `gather`,
    `combine`, `pack` and `matmul` become a private function over a range of
    independent work items, `(begin, end, operands...)`, marked `ragged.work`,
    and a call of it over all items, marked `ragged.parallel`: whoever has
    threads may split the range at will, and gets the same bits. Nothing is
    allocated but small buffers on the stack.

    Matmuls need panels (see `ragged-pack-weights`). Their kernel keeps a tile
    of rows by 16 or 32 columns of every weight in registers for the whole sum,
    in one variant for each number of rows, so that no group is padded, reads
    each panel from memory once, and fetches the next panel while it computes.

    `isa` chooses the forks: `v4-bf16` has dot products of bf16 pairs,
    `v4` and `v3` widen bf16 to f32, odd element first, which gives the
    same bits but for subnormal numbers (the dot product takes them as zeros).
    `v4+bf16` has both and asks the function's last argument, an i1 marked
    `ragged.has_bf16_dot`, which functions with products of bf16 get, and all
    that call them; the tiles of the first kind are marked
    `ragged.uses_bf16_dot`: they alone are compiled with that instruction.
  }];
  let options = [
    Option<"isa", "isa", "std::string", "\"v3\"", "v4+bf16, v4-bf16, v4 or v3">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::math::MathDialect",
    "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect", "::mlir::x86vector::X86VectorDialect"
  ];
}

def ConvertRaggedToWgmma : Pass<"convert-ragged-to-wgmma", "::mlir::ModuleOp"> {
  let summary = "lower grouped matmuls on memrefs to kernels on Hopper's tensor cores";
  let description = [{
    A matmul on rows and weights of bf16 or f16 gets a kernel for
    many rows, and keeps its place for few; which one runs is decided by the number
    of rows in each call. f32, panels, and K or N below 64 are left alone; so are,
    with a warning, matrices whose elements lie apart or whose rows start between
    multiples of 16 bytes, and more than two interleaved parts.

    A dense product with results of 32 bits and at most 512 columns, such as a
    router's, has too few tiles: K is cut into shares, whose sums are added up in
    their order. Of few rows blocks have a share each, of many a block takes them one
    after the other. How many is a function of the matrix's sizes alone, and this form
    runs for few rows too, so an item's sums are the same in every batch. Blocks of a
    cluster add up in shared memory. Where their shares would be longer than what a
    block can have under way, shares have at most 7 steps along K and blocks on all
    multiprocessors, which leave their sums in memory; another kernel, a block for
    each row, adds them up.

    Of two interleaved parts a tile has 128 columns of the result; lanes exchange
    sums so that both of an element meet in one.

    The weights are wgmma's first operand, the rows its second, so that an expert
    with few rows costs few columns. One warpgroup brings tiles by TMA, two
    multiply and run the epilogue; blocks stay on their multiprocessor, and whoever
    is free takes the next tile. Each works out the schedule from the offsets: there
    is no table of tiles in memory, no number that the host would have to know. Of
    experts the number of tiles taken is in a buffer of the call, which a
    `linalg.fill` clears (`ragged-fuse-order` leaves that to the order's kernel); of
    a dense product, whose tiles take equally long, blocks take them in turn.

    sigmoid, silu and tanh-gelu in an epilogue that yields 16 bits use the
    hardware's power of two and reciprocal (relative errors of some 2^-20).
  }];
  let options = [
    Option<"tokens", "tokens", "int64_t", "0",
           "rows of a tile at most, a multiple of 16; beyond 128, all but an expert's last have at least 32 less; by default the cost model chooses tiles">,
    Option<"fewRows", "few-rows", "int64_t", "-1",
           "rows up to which the other form runs; by default a quarter of the experts, 32 with one">,
    Option<"splits", "splits", "int64_t", "8",
           "shares of K at most in a cluster, where a dense product has few columns: 1, 2, 4 or 8; 1 for whole sums">
  ];
  let statistics = [
    Statistic<"numMatmuls", "matmuls", "Matmuls that got a kernel">,
    Statistic<"numOverlapped", "overlapped", "Matmuls that await experts of another">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::NVVM::NVVMDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"
  ];
}

def RaggedFuseGather : Pass<"ragged-fuse-gather", "::mlir::ModuleOp"> {
  let summary = "let products gather their rows themselves";
  let description = [{
    A `ragged.matmul` on buffers whose rows a `ragged.gather` makes, for it alone, is
    marked where its kernel on tensor cores (`convert-ragged-to-wgmma`) had better
    copy each row's part of a tile from the item's row: no gathered row is then
    written and read again. Such copies are made by threads, 16 bytes each, and cost
    a product that is bound by its operations 5 to 13%; so it is for products of
    few columns, up to some 3,800 of all weights together (`gathersItself`). K is to
    be a multiple of a step (64 of bf16), and the items' rows aligned to 16 bytes.
  }];
  let statistics = [Statistic<"numFused", "fused", "products that gather their rows">];
}

def RaggedAwaitExperts : Pass<"ragged-await-experts", "::mlir::ModuleOp"> {
  let summary = "let a product begin with an expert that the one ahead has ended";
  let description = [{
    A `ragged.matmul` on buffers whose rows another one makes, with the same offsets
    and nothing in between, is marked: its kernel on tensor cores
    (`convert-ragged-to-wgmma`) starts as blocks of the other one end, and awaits rows
    expert by expert. What it writes must be nothing that the other one still reads,
    but for that one's own rows, of which those of an expert have been read when the
    expert has ended; so its results' buffer is made before the other one.
  }];
  let statistics = [Statistic<"numMarked", "marked", "products that await experts">];
}

def RaggedSpreadGather : Pass<"ragged-spread-gather", "::mlir::ModuleOp"> {
  let summary = "read an item's row once for all its experts";
  let description = [{
    A `ragged.gather` on buffers that takes every item once for each of its slots,
    at most 16, becomes a kernel over items: a thread reads 16 bytes of a row once,
    and writes them to the rows of all slots, as the order's `inv` has them.
    Others are left to `convert-ragged-to-kernels`.
  }];
  let statistics = [Statistic<"numSpread", "spread", "gathers that read an item once">];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::memref::MemRefDialect", "::mlir::NVVM::NVVMDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"
  ];
}

def RaggedFuseOrder : Pass<"ragged-fuse-order", "::mlir::ModuleOp"> {
  let summary = "counts, offsets and an order of slots in one kernel, or two";
  let description = [{
    A `ragged.permute` on buffers and the `offsets` and `count` that it is made of
    become one kernel, and for many slots one before it. They stay apart with more
    than 640 experts, and where something reads counts or offsets before the order
    is made.
  }];
  let statistics = [Statistic<"numFused", "fused", "orders made with their counts">];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect", "::mlir::NVVM::NVVMDialect",
    "::mlir::scf::SCFDialect"
  ];
}

def RaggedGatePrecision : Pass<"ragged-gate-precision"> {
  let summary = "products of f32 that choices hang on, on tensor cores";
  let description = [{
    A dense product of f32 whose result a row program with a choice reads is made of
    numbers that tensor cores take. Sums stay f32.

    - `f32`: left alone.
    - `bf16`: rows and weights are rounded to bf16.
    - `split-bf16`: each number is a bf16 and another for what is left of it, and
      all their products are added up: two for rows that were bf16 before they were
      widened, which have nothing left, else four.
    - `tf32x3`: the same with numbers of 11 bits, in f32.

    High and low parts of the weights are two weights of one product, whose sums the
    epilogue adds; those of rows come one behind the other along K. Parts of
    parameters are made once (route-prepare-parameters), others in each call.
    Transposed weights keep their f32.
  }];
  let options = [
    Option<"precision", "precision", "std::string", "\"f32\"", "f32, bf16, split-bf16 or tf32x3">
  ];
  let statistics = [Statistic<"numRewritten", "rewritten", "products made of narrow numbers">];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"
  ];
}

def RaggedSplitEpilogues : Pass<"ragged-split-epilogues"> {
  let summary = "products without their epilogues, for measuring what those bring";
  let description = [{
    A product with an epilogue becomes one for each weight, with f32 results, and a
    `linalg.generic` behind them that does the epilogue's work. Nothing needs this:
    experts reach products with their epilogues in them. Products with values for
    each expert or row, panels and interleaved parts are left alone.
  }];
  let statistics = [Statistic<"numSplit", "split", "epilogues taken out">];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def RaggedFuseRouter : Pass<"ragged-fuse-router", "::mlir::ModuleOp"> {
  let summary = "a router's choices in the launch of its product";
  let description = [{
    Where blocks share K of a product (`convert-ragged-to-wgmma`), all columns of a
    row are together once the cluster, or a block of the kernel behind the product,
    has added up. The kernel that reads them next, a row program's, then goes into
    the same launch: its loop over items becomes one over those rows, a warp for
    each, also where the program's own kernel has several items in a warp. In the
    form for many rows it stays a kernel of its own.

    Works on launches. A program whose warps wait for one another, or between
    which and the product something else writes memory that may be theirs, stays
    where it is.
  }];
  let statistics = [Statistic<"numFused", "fused", "programs in the launch of a product">];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::NVVM::NVVMDialect"
  ];
}

def ConvertRaggedToKernels : Pass<"convert-ragged-to-kernels", "::mlir::ModuleOp"> {
  let summary = "lower ragged ops on memrefs to GPU kernels";
  let description = [{
    Every ragged op of a host function that earlier passes have left becomes a
    `gpu.func` in the module of kernels, and a launch in its place. Counts and orders
    that `ragged-fuse-order` left take a block for each expert, which goes over all
    slots. Grouped products take a warp for a few columns of a row, whatever the
    sizes; where rows and weights start at multiples of 16 bytes a lane loads as many
    at a time. Products slot by slot share out a slot's columns among warps, and
    have an item's slots in one block where they combine them.
    A choice has two kernels, of which a call runs one: a thread for an item with
    a few candidates, a block for one with many. Sums of slots' rows where each
    slot says list the slots of each row first.
    Sums over K are f32, in parts that do not depend on the number of rows, so a
    kernel gives an item the same result in every batch.
  }];
  let options = [
    Option<"fewCandidates", "few-candidates", "int64_t", "32",
           "candidates of an item on average up to which a thread makes a choice">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect", "::mlir::linalg::LinalgDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect", "::mlir::NVVM::NVVMDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"
  ];
}

#endif
