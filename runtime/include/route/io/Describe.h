// What a module says of itself.
// The descriptor as text for people and as JSON for tools.
#ifndef ROUTE_IO_DESCRIBE_H
#define ROUTE_IO_DESCRIBE_H

#include "route/route_module.h"

#include <string>

namespace route {

/// `module` has passed the module check, as a loaded one has.
std::string describeText(const route_module_desc &module);
std::string describeJson(const route_module_desc &module);

/// "f32[token, experts]", "tier[request]?", "models[request, rank]": how the
/// language would write the type.
std::string describeType(const route_module_desc &module,
                         const route_type_desc &type, const uint32_t *axes,
                         uint64_t numAxes);

} // namespace route

#endif // ROUTE_IO_DESCRIBE_H
