// Names of the contract's enumerators.
// As both descriptions, text and JSON, print them.
#ifndef ROUTE_LIB_IO_NAMES_H
#define ROUTE_LIB_IO_NAMES_H

#include "route/route_module.h"

namespace route {

/// Null for plain data.
inline const char *roleName(uint32_t role) {
  switch (role) {
  case ROUTE_ROLE_OFFSETS:
    return "offsets";
  case ROUTE_ROLE_ID:
    return "id";
  case ROUTE_ROLE_PLAN_INDEX:
    return "plan";
  case ROUTE_ROLE_PLAN_COUNT:
    return "count";
  case ROUTE_ROLE_PLAN_STATUS:
    return "status";
  case ROUTE_ROLE_PLAN_COLUMN:
    return "column";
  case ROUTE_ROLE_NOTE:
    return "note";
  case ROUTE_ROLE_NEEDS:
    return "needs";
  case ROUTE_ROLE_HOST:
    return "host call";
  case ROUTE_ROLE_KNOWN:
    return "known";
  }
  return nullptr;
}

inline const char *kindName(uint32_t kind) {
  return kind == ROUTE_ENTRY_ROUTER  ? "router"
         : kind == ROUTE_ENTRY_ROUTE ? "route"
                                     : "event";
}

inline const char *attributeKindName(uint32_t kind) {
  return kind == ROUTE_ATTRIBUTE_CONST  ? "const"
         : kind == ROUTE_ATTRIBUTE_LIVE ? "live"
                                        : "state";
}

/// The name of a port by its number among inputs, then outputs.
inline const char *portName(const route_entry_desc &entry, uint64_t port) {
  return port < entry.num_inputs ? entry.inputs[port].name
                                 : entry.outputs[port - entry.num_inputs].name;
}

} // namespace route

#endif // ROUTE_LIB_IO_NAMES_H
