/* A module made for a later version of the contract. */
#include "route/route_module.h"

__attribute__((visibility("default")))
const route_module_desc route_module_v1 = {
    .magic = ROUTE_MODULE_MAGIC,
    .abi_version = ROUTE_MODULE_ABI_VERSION + 1,
    .struct_size = sizeof(route_module_desc)};
