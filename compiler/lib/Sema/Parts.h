// The parts of a row of a pool of pools, as values and by name.
#ifndef ROUTE_LIB_SEMA_PARTS_H
#define ROUTE_LIB_SEMA_PARTS_H

#include "route/Sema/Value.h"

namespace route::sema {

/// A pool that rows of `candidate` are made of names, beside a row of it, the
/// part of the row at hand: `efforts == low` where arms are models * efforts.
inline Value partOfRow(const Value &value, const AxisInfo *candidate) {
  bool part = value.is(Value::Kind::Axis) && value.axis->pool && candidate &&
              candidate != value.axis && candidate->descendsFrom(value.axis);
  return part ? Value::ofAxis(Value::Kind::Row, value.axis) : value;
}

/// The name that an expression spells for a row of a pool of pools, as nameRows
/// gives it: `small*high`, `skip(small)`, `small`; empty where it spells none.
std::string rowSpelling(const ast::Expr &expr);

} // namespace route::sema

#endif
