// The ragged dialect: what all of its ops share, and the types of their operands.
#ifndef ROUTE_DIALECT_RAGGED_IR_RAGGEDOPBASE_TD
#define ROUTE_DIALECT_RAGGED_IR_RAGGEDOPBASE_TD

include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "route/Dialect/Ragged/IR/RaggedDialect.td"

/// A ranked tensor or memref of the given element types and ranks.
class Ragged_Shaped<list<Type> elements, list<int> ranks, string description>
    : AnyTypeOf<[TensorRankOf<elements, ranks>, MemRefRankOf<elements, ranks>], description>;

/// The same of any rank.
class Ragged_AnyRank<list<Type> elements, string description>
    : AnyTypeOf<[RankedTensorOf<elements>, MemRefOf<elements>], description>;

def Ragged_Index1 : Ragged_Shaped<[I32], [1], "vector of i32">;
def Ragged_Index2 : Ragged_Shaped<[I32], [2], "matrix of i32">;
/// f16 is for kernels of GPUs.
def Ragged_Float1 : Ragged_Shaped<[F32, BF16, F16], [1], "vector of f32, bf16 or f16">;
def Ragged_Float2 : Ragged_Shaped<[F32, BF16, F16], [2], "matrix of f32, bf16 or f16">;
def Ragged_Float12 : Ragged_Shaped<[F32, BF16, F16], [1, 2], "vector or matrix of f32, bf16 or f16">;
def Ragged_Float3 : Ragged_Shaped<[F32, BF16], [3], "weights [E, N, K] of f32 or bf16">;
def Ragged_Panels : Ragged_Shaped<[F32, BF16], [4, 5], "panels of f32 or bf16">;
def Ragged_Weights : Ragged_Shaped<[F32, BF16, F16], [3, 4, 5],
  "weights [E, N, K] or panels of f32, bf16 or f16">;

/// Destination style on tensors or memrefs; memory effects follow from the operands.
class Ragged_Op<string mnemonic, list<Trait> traits = []>
    : Op<Ragged_Dialect, mnemonic, traits # [DestinationStyleOpInterface,
        DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let hasVerifier = 1;
  code inits = "";
  let extraClassDeclaration = inits;
}

#endif
