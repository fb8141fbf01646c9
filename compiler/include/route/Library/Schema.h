// What a compiled library says of itself.
// The tables of route_module.h before they are constants.
#ifndef ROUTE_LIBRARY_SCHEMA_H
#define ROUTE_LIBRARY_SCHEMA_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "llvm/ADT/SmallVector.h"
#include <string>
#include <vector>

namespace route {

/// route_type_desc; see there.
struct TypeSchema {
  uint32_t element = 0;
  uint32_t flags = 0;
  int32_t enumeration = -1;
  int32_t rowsOf = -1;
  std::string unit;
};

struct AxisSchema {
  std::string name;
  int64_t size = -1;    ///< -1: the call decides
  int64_t maxSize = -1; ///< -1: no bound
  std::vector<std::string> members;
  int32_t parent = -1;
  bool ragged = false;  ///< parents differ in the number of their children
  bool derived = false; ///< a function of the library gives the size
};

struct EnumSchema {
  std::string name;
  std::vector<std::string> members;
  bool lists = false;  ///< the members are lists, as JSON
  bool ofAxis = false; ///< the members are those of an axis
};

struct AttributeSchema {
  std::string name;
  TypeSchema type;
  std::vector<uint32_t> axes;
  mlir::DenseElementsAttr values; ///< constants only
  uint32_t kind = 0;
  int32_t state = -1;
};

struct PoolSchema {
  std::string name;
  uint32_t axis = 0;
  std::vector<AttributeSchema> attributes;
};

struct ParamSchema {
  std::string name, tensor, file;
  TypeSchema type;
  std::vector<uint32_t> axes;
  uint64_t packedSize = 0; ///< bytes; 0: as in the checkpoint
  uint32_t layout = 0;
  uint32_t stored = 0; ///< enum route_stored
};

struct StateSchema {
  std::string name, tensor;
  TypeSchema type;
  std::vector<uint32_t> axes;
  /// One element for all positions, or all (DenseElementsAttr); null: zeros.
  mlir::Attribute initial;
  uint32_t meaning = 0; ///< of the words of a table; else 0
};

/// A code of refusals and its reason.
struct RejectSchema {
  std::string reason;
  int64_t code = 0;
};

struct PortSchema {
  std::string name;
  TypeSchema type;
  std::vector<uint32_t> axes;
  uint32_t knownAxes = 0;
  uint32_t role = 0;
  int32_t subject = -1;
  mlir::Attribute initial; ///< of an input: its value where the host gives none
};

struct EntrySchema {
  std::string name, symbol;
  uint32_t kind = 0;
  int32_t itemAxis = -1;
  std::vector<PortSchema> inputs, outputs;
  std::vector<uint32_t> reads, writes;
};

/// The tables of a module after convert-route-to-linalg. Indices in the tables
/// depend on the order of symbols and arguments alone, so they agree between
/// the copies of a module that are compiled for different processors.
struct Schema {
  std::vector<AxisSchema> axes;
  std::vector<EnumSchema> enums;
  std::vector<PoolSchema> pools;
  std::vector<ParamSchema> params;
  std::vector<StateSchema> states;
  std::vector<RejectSchema> rejects;
  std::vector<EntrySchema> entries;

  /// Index of an axis, parameter or state by name; -1 without one.
  int32_t findAxis(llvm::StringRef name) const;
  int32_t findParam(llvm::StringRef name) const;
  int32_t findState(llvm::StringRef name) const;
};

/// Reads the tables from the module's symbols and entries. Fails, with a
/// diagnostic, on types that a library cannot pass.
mlir::FailureOr<Schema> buildSchema(mlir::ModuleOp module);

/// The entries of a module in the order of its schema.
llvm::SmallVector<mlir::func::FuncOp> getEntries(mlir::ModuleOp module);

} // namespace route

#endif
