// What all op definitions of the route dialect share: base class and type constraints.
#ifndef ROUTE_DIALECT_ROUTE_IR_ROUTEOPBASE_TD
#define ROUTE_DIALECT_ROUTE_IR_ROUTEOPBASE_TD

include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/RegionKindInterface.td"
include "route/Dialect/Route/IR/RouteAttributes.td"
include "route/Dialect/Route/IR/RouteTypes.td"

class Route_Op<string mnemonic, list<Trait> traits = []>
    : Op<Route_Dialect, mnemonic, traits>;

/// An op without effects whose result type follows from its operands.
class Route_ElementwiseOp<string mnemonic, list<Trait> traits = []>
    : Route_Op<mnemonic, !listconcat([Pure,
        InferTypeOpAdaptor], traits)>;

def Route_AnyArray : Type<CPred<"::llvm::isa<::route::ArrayType>($_self)">,
    "array over named axes", "::route::ArrayType">,
    BuildableType<"">;

class Route_ArrayOf<string predicate, string what> : Type<
    And<[CPred<"::llvm::isa<::route::ArrayType>($_self)">, CPred<predicate>]>,
    "array of " # what, "::route::ArrayType">;

/// Array of i1 or of range<i1>.
def Route_TruthArray : Route_ArrayOf<
    "::route::isTruth(::llvm::cast<::route::ArrayType>($_self).getElementType())",
    "truth values">;
def Route_ScalarArray : Route_ArrayOf<
    "::llvm::cast<::route::ArrayType>($_self).isScalar()", "no axes">;

#endif
