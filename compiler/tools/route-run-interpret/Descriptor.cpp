// Fills the tables of route_module.h from a schema.
// Description.cpp of compiler/lib/Library writes the same tables as constants.
#include "Descriptor.h"
#include "mlir/IR/BuiltinAttributes.h"
#include <cstring>

using namespace route;

template <class T> const T *Descriptor::keep(std::vector<T> table) {
  if (table.empty())
    return nullptr;
  const char *bytes = reinterpret_cast<const char *>(table.data());
  memory.emplace_back(bytes, bytes + table.size() * sizeof(T));
  return reinterpret_cast<const T *>(memory.back().data());
}

const char *const *
Descriptor::keepTexts(const std::vector<std::string> &texts) {
  std::vector<const char *> pointers;
  for (const std::string &text : texts)
    pointers.push_back(text.c_str());
  return keep(std::move(pointers));
}

const uint32_t *Descriptor::keepIndices(const std::vector<uint32_t> &indices) {
  return keep(indices);
}

static const char *textOrNull(const std::string &text) {
  return text.empty() ? nullptr : text.c_str();
}

/// The bytes of an integer or float of the IR, bool as one byte.
static void appendBits(std::vector<char> &bytes, const llvm::APInt &bits,
                       unsigned width) {
  uint64_t word = bits.zextOrTrunc(64).getZExtValue();
  bytes.insert(bytes.end(), reinterpret_cast<const char *>(&word),
               reinterpret_cast<const char *>(&word) + width / 8);
}

const void *Descriptor::keepElement(mlir::Attribute value, uint32_t element) {
  std::vector<char> bytes;
  if (auto string = llvm::dyn_cast_or_null<mlir::StringAttr>(value)) {
    // The attribute's bytes live as long as the context that made it.
    route_text text = {string.data(), static_cast<int64_t>(string.size())};
    bytes.assign(reinterpret_cast<const char *>(&text),
                 reinterpret_cast<const char *>(&text) + sizeof(text));
  } else if (auto number = llvm::dyn_cast_or_null<mlir::FloatAttr>(value)) {
    llvm::APInt bits = number.getValue().bitcastToAPInt();
    appendBits(bytes, bits, bits.getBitWidth());
  } else if (auto integer = llvm::dyn_cast_or_null<mlir::IntegerAttr>(value)) {
    static constexpr unsigned widths[] = {0,  8,  8,  16, 32, 64, 8, 16,
                                          32, 64, 16, 16, 32, 64, 0, 64};
    llvm::APInt bits = integer.getValue();
    appendBits(bytes, bits.getBitWidth() == 1 ? bits : bits.sextOrTrunc(64),
               widths[element]);
  }
  return keep(std::move(bytes));
}

const void *Descriptor::keepElements(mlir::DenseElementsAttr values) {
  std::vector<char> bytes;
  if (!values)
    return nullptr;
  if (llvm::isa<mlir::FloatType>(values.getElementType())) {
    for (const llvm::APFloat &value : values.getValues<llvm::APFloat>()) {
      llvm::APInt bits = value.bitcastToAPInt();
      appendBits(bytes, bits, bits.getBitWidth());
    }
  } else {
    for (const llvm::APInt &value : values.getValues<llvm::APInt>())
      appendBits(bytes, value,
                 value.getBitWidth() == 1 ? 8 : value.getBitWidth());
  }
  return keep(std::move(bytes));
}

route_type_desc Descriptor::type(const TypeSchema &row) {
  return {row.element, row.flags, row.enumeration, row.rowsOf,
          textOrNull(row.unit)};
}

route_pool_desc Descriptor::pool(const PoolSchema &row) {
  std::vector<route_attribute_desc> attributes;
  for (const AttributeSchema &attribute : row.attributes)
    attributes.push_back({attribute.name.c_str(), type(attribute.type),
                          keepIndices(attribute.axes), attribute.axes.size(),
                          keepElements(attribute.values), attribute.kind,
                          attribute.state});
  uint64_t count = attributes.size();
  return {row.name.c_str(), keep(std::move(attributes)), count, row.axis, 0};
}

std::vector<route_port_desc>
Descriptor::ports(const std::vector<PortSchema> &rows) {
  std::vector<route_port_desc> result;
  for (const PortSchema &row : rows)
    result.push_back({row.name.c_str(), type(row.type), keepIndices(row.axes),
                      row.axes.size(),
                      keepElement(row.initial, row.type.element), 0,
                      row.knownAxes, row.role, row.subject, 0});
  return result;
}

Descriptor::Descriptor(Schema schema, std::string name, std::string sourceHash,
                       std::vector<std::vector<char>> initials,
                       llvm::ArrayRef<SizeFunction> derived)
    : tables(std::move(schema)), name(std::move(name)),
      sourceHash(std::move(sourceHash)) {
  module.magic = ROUTE_MODULE_MAGIC;
  module.abi_version = ROUTE_MODULE_ABI_VERSION;
  module.struct_size = sizeof(route_module_desc);
  module.name = this->name.c_str();
  module.source_hash = this->sourceHash.c_str();
  module.compiler_version = "routec " ROUTE_VERSION;
  module.unicode_version = "";
  module.target = "interpreter";

  std::vector<route_axis_desc> axes;
  for (auto [row, size] : llvm::zip_equal(tables.axes, derived))
    axes.push_back({row.name.c_str(), row.size, row.maxSize, size,
                    keepTexts(row.members), row.parent,
                    row.ragged ? uint32_t(ROUTE_AXIS_RAGGED) : 0});
  module.num_axes = axes.size();
  module.axes = keep(std::move(axes));
  std::vector<route_enum_desc> enums;
  for (const EnumSchema &row : tables.enums)
    enums.push_back(
        {row.name.c_str(), keepTexts(row.members), row.members.size()});
  module.num_enums = enums.size();
  module.enums = keep(std::move(enums));
  std::vector<route_pool_desc> pools;
  for (const PoolSchema &row : tables.pools)
    pools.push_back(pool(row));
  module.num_pools = pools.size();
  module.pools = keep(std::move(pools));
  std::vector<route_param_desc> params;
  for (const ParamSchema &row : tables.params)
    params.push_back({row.name.c_str(), textOrNull(row.file),
                      row.tensor.c_str(), type(row.type), keepIndices(row.axes),
                      row.axes.size(), 0, nullptr, ROUTE_LAYOUT_ROW_MAJOR,
                      row.stored});
  module.num_params = params.size();
  module.params = keep(std::move(params));
  std::vector<route_state_desc> states;
  for (auto [row, initial] : llvm::zip_equal(tables.states, initials))
    states.push_back({row.name.c_str(), nullptr, textOrNull(row.tensor),
                      type(row.type), keepIndices(row.axes), row.axes.size(),
                      keep(std::move(initial)), 0, row.meaning});
  module.num_states = states.size();
  module.states = keep(std::move(states));
  std::vector<route_reject_desc> rejects;
  for (const RejectSchema &row : tables.rejects)
    rejects.push_back({row.reason.c_str(), row.code});
  module.num_rejects = rejects.size();
  module.rejects = keep(std::move(rejects));
  std::vector<route_entry_desc> entries;
  for (const EntrySchema &row : tables.entries) {
    route_entry_desc entry = {};
    entry.name = row.name.c_str();
    entry.num_inputs = row.inputs.size();
    entry.inputs = keep(ports(row.inputs));
    entry.num_outputs = row.outputs.size();
    entry.outputs = keep(ports(row.outputs));
    entry.num_reads = row.reads.size();
    entry.reads = keepIndices(row.reads);
    entry.num_writes = row.writes.size();
    entry.writes = keepIndices(row.writes);
    entry.kind = row.kind;
    entry.item_axis = row.itemAxis;
    entries.push_back(entry);
  }
  module.num_entries = entries.size();
  module.entries = keep(std::move(entries));
}
