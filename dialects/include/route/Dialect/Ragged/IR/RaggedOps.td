// The ragged dialect: all of its ops, for TableGen.
#ifndef ROUTE_DIALECT_RAGGED_IR_RAGGEDOPS_TD
#define ROUTE_DIALECT_RAGGED_IR_RAGGEDOPS_TD

include "route/Dialect/Ragged/IR/RaggedChooseOp.td"
include "route/Dialect/Ragged/IR/RaggedIndexOps.td"
include "route/Dialect/Ragged/IR/RaggedMatmulOps.td"
include "route/Dialect/Ragged/IR/RaggedMoveOps.td"

#endif
