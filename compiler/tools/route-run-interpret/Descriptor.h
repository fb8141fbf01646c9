// A library's description in memory, for a spec that is interpreted.
#ifndef ROUTE_TOOLS_RUN_INTERPRET_DESCRIPTOR_H
#define ROUTE_TOOLS_RUN_INTERPRET_DESCRIPTOR_H

#include "DerivedSizes.h"
#include "route/route_module.h"
#include <deque>

namespace route {

/// The tables of route_module.h for a schema. There are no variants, no pack
/// functions and no workspaces: whoever links it gives a function that executes
/// entries. Tables live as long as this object.
class Descriptor {
public:
  /// `initials` are the bytes that each state of the schema starts as, empty
  /// for zeros; `derived` the function of each axis whose size follows.
  Descriptor(Schema schema, std::string name, std::string sourceHash,
             std::vector<std::vector<char>> initials,
             llvm::ArrayRef<SizeFunction> derived);
  Descriptor(const Descriptor &) = delete;

  const route_module_desc &desc() const { return module; }
  const Schema &schema() const { return tables; }

private:
  template <class T> const T *keep(std::vector<T> table);
  const char *const *keepTexts(const std::vector<std::string> &texts);
  const uint32_t *keepIndices(const std::vector<uint32_t> &indices);
  const void *keepElement(mlir::Attribute value, uint32_t element);
  const void *keepElements(mlir::DenseElementsAttr values);
  route_type_desc type(const TypeSchema &row);
  route_pool_desc pool(const PoolSchema &row);
  std::vector<route_port_desc> ports(const std::vector<PortSchema> &rows);

  Schema tables;
  std::string name, sourceHash;
  /// Tables and constants that the description points to.
  std::deque<std::vector<char>> memory;
  route_module_desc module = {};
};

} // namespace route

#endif
