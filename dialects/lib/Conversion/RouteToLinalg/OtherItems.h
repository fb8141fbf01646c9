// Which results of an entry hang on more than their own item.
#ifndef ROUTE_LIB_CONVERSION_ROUTETOLINALG_OTHERITEMS_H
#define ROUTE_LIB_CONVERSION_ROUTETOLINALG_OTHERITEMS_H

#include "route/Dialect/Route/IR/RouteOps.h"

namespace route::lowering {

/// Whether `value`, an array or a plan over items, may be another for an item
/// where the other items are: something it is made of is reduced or chosen over
/// them, counts them or reads them by place. What has no items hangs on none.
bool hangsOnOtherItems(mlir::Value value);

} // namespace route::lowering

#endif
