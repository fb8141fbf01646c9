// Numbers in the text as elements, and what keeps u64 right.
// Arithmetic is on i64 of the same bits. Sums, products and equality need
// nothing; order, size and what becomes a float look at the type first.
#ifndef ROUTE_LIB_SEMA_UNSIGNED_H
#define ROUTE_LIB_SEMA_UNSIGNED_H

#include "route/AST/Exprs.h"
#include "route/IRGen/Emitter.h"
#include "route/Sema/Value.h"
#include "llvm/ADT/APInt.h"

namespace route::sema {

inline bool isU64(mlir::Type type) {
  return getValueType(type).isUnsignedInteger(64);
}
inline bool isU64(const Value &value) {
  return value.is(Value::Kind::Array) &&
         isU64(
             mlir::cast<route::ArrayType>(value.ir.getType()).getElementType());
}

/// The other sign bit: turns the order of u64 into that of i64, and back.
inline mlir::Value flipSign(irgen::Emitter &e, mlir::Value bits) {
  return e.binary(BinaryKind::bit_xor, bits,
                  e.constantInt(e.i64(), std::numeric_limits<int64_t>::min()));
}
/// A u64, or i64 of its bits, as i64 of the same order.
inline mlir::Value ordered(irgen::Emitter &e, mlir::Value value) {
  return flipSign(e, e.cast(value, e.i64()));
}
/// The u64 that `ordered` was made of.
inline mlir::Value disordered(irgen::Emitter &e, mlir::Value value) {
  return e.cast(flipSign(e, value), e.builder.getIntegerType(64, false));
}

/// A whole number as u64: what is below zero counts as zero.
inline mlir::Value natural(irgen::Emitter &e, mlir::Value value) {
  if (isU64(e.elementOf(value)))
    return value;
  return e.cast(
      e.binary(BinaryKind::max, e.bits(value), e.constantInt(e.i64(), 0)),
      e.builder.getIntegerType(64, false));
}

/// A key in the other direction.
inline mlir::Value reversed(irgen::Emitter &e, mlir::Value key) {
  return mlir::isa<mlir::IntegerType>(e.valueTypeOf(key)) // the least has none
             ? e.binary(BinaryKind::bit_xor, key, e.constantInt(e.i64(), -1))
             : e.unary(UnaryKind::neg, key);
}

/// All 64 bits of a whole number without unit; nothing for others.
std::optional<uint64_t> wholeNumber(const ast::NumberExpr &number);
/// The whole number that a constant is, in more than 64 bits; nothing for
/// others.
std::optional<llvm::APInt> wholeOf(const Value &number);
/// A constant without unit as an element of a type of numbers; null where the
/// type cannot hold it.
mlir::TypedAttr numberAttr(const Value &number, mlir::Type element);
/// "a whole number from 0 to 255": what a type of numbers holds.
std::string numbersOf(mlir::Type element);
/// The folded value of an operation on constants.
Value fold(ast::BinaryOp op, const Value &a, const Value &b);

/// u64 as a float of that type; anything else as it is.
inline mlir::Value asFloat(irgen::Emitter &e, mlir::Value value,
                           mlir::Type type) {
  return isU64(e.elementOf(value)) ? e.cast(value, type) : value;
}

} // namespace route::sema

#endif
