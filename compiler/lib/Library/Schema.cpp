// Reads what a library says of itself from the symbols of its module.
#include "route/Library/Schema.h"
#include "Initial.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Dialect/Route/IR/Spelling.h"
#include "route/Library/Element.h"
#include "route/Notice.h"
#include "route/Refusals.h"
#include "route/route_limits.h"
#include "route/route_module.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace route;

template <class Table> static int32_t find(const Table &table, StringRef name) {
  for (auto [i, row] : llvm::enumerate(table))
    if (row.name == name)
      return i;
  return -1;
}

int32_t Schema::findAxis(StringRef name) const { return find(axes, name); }
int32_t Schema::findParam(StringRef name) const { return find(params, name); }
int32_t Schema::findState(StringRef name) const { return find(states, name); }

SmallVector<func::FuncOp> route::getEntries(ModuleOp module) {
  SmallVector<func::FuncOp> entries;
  for (auto function : module.getOps<func::FuncOp>())
    if (function->hasAttr(kEntryAttr))
      entries.push_back(function);
  return entries;
}

namespace {
class SchemaBuilder {
public:
  SchemaBuilder(ModuleOp module) : module(module), symbols(module) {}

  FailureOr<Schema> build() {
    for (auto axis : module.getOps<AxisOp>())
      addAxis(axis);
    for (auto enumeration : module.getOps<EnumOp>())
      schema.enums.push_back(
          {enumeration.getSymName().str(), strings(enumeration.getLabels()),
           enumeration->hasAttr("json"), enumeration->hasAttr("of_axis")});
    forEachReason(module, [&](int64_t code, StringRef reason) {
      schema.rejects.push_back({reason.str(), code});
    });
    // Entries first, so that states of columns are known to the pools.
    for (func::FuncOp entry : getEntries(module))
      if (failed(collectSymbols(entry)))
        return failure();
    for (auto axis : module.getOps<AxisOp>())
      if (axis.getKind() == AxisKind::pool && failed(addPool(axis)))
        return failure();
    for (func::FuncOp entry : getEntries(module))
      if (failed(addEntry(entry)))
        return failure();
    if (schema.axes.size() > ROUTE_MAX_AXES) {
      Operation *first = symbols.lookup(schema.axes[ROUTE_MAX_AXES].name);
      return notCovered(first ? first : module,
                        "more than " + Twine(int(ROUTE_MAX_AXES)) + " axes");
    }
    for (auto function : module.getOps<func::FuncOp>())
      if (auto axis = function->getAttrOfType<StringAttr>(kDerivedAttr))
        if (int32_t row = schema.findAxis(axis.getValue()); row >= 0)
          schema.axes[row].derived = true;
    return std::move(schema);
  }

private:
  static std::vector<std::string> strings(ArrayAttr array) {
    std::vector<std::string> result;
    for (auto text : array.getAsRange<StringAttr>())
      result.push_back(text.getValue().str());
    return result;
  }

  void addAxis(AxisOp axis) {
    if (axis.getKind() == AxisKind::plan || axis.getKind() == AxisKind::copy)
      return;
    AxisSchema row;
    row.name = axis.getSymName().str();
    row.size = axis.getStaticSize();
    if (axis.getBound())
      row.maxSize = *axis.getBound();
    if (axis.getLabels())
      row.members = strings(*axis.getLabels());
    SmallVector<FlatSymbolRefAttr> parents = axis.getParentAxes();
    if (parents.size() == 1) // a product has no member's members
      row.parent = schema.findAxis(parents.front().getValue());
    schema.axes.push_back(std::move(row));
  }

  LogicalResult checkRank(Operation *at, ArrayRef<uint32_t> axes) {
    if (axes.size() <= ROUTE_MAX_RANK)
      return success();
    return notCovered(at, "arrays of more than " + Twine(int(ROUTE_MAX_RANK)) +
                              " axes in what a library takes or gives");
  }

  FailureOr<TypeSchema> typeOf(Operation *at, Type type, StringRef unit = {}) {
    TypeSchema result;
    if (auto range = dyn_cast<RangeType>(type)) {
      result.flags = ROUTE_TYPE_MAY_BE_UNKNOWN;
      type = range.getValueType();
    }
    result.element = libraryElement(type);
    result.unit = unit.str();
    if (!result.element)
      return notCovered(at, "'" + spellElement(type) +
                                "' in what a library takes or gives");
    if (auto enumeration = dyn_cast<EnumType>(type))
      for (auto [i, row] : llvm::enumerate(schema.enums))
        if (row.name == enumeration.getSymbol().getValue()) {
          result.enumeration = i;
          if (row.lists)
            result.flags |= ROUTE_TYPE_JSON_MEMBERS;
        }
    if (auto ref = dyn_cast<RefType>(type))
      result.rowsOf = schema.findAxis(ref.getAxis().getValue());
    return result;
  }

  /// Indices of the axes of a buffer of `shape`; copies stand for what they
  /// copy, plan axes for the axes they descend from and their rank.
  std::vector<uint32_t> axesOf(ArrayRef<FlatSymbolRefAttr> axes,
                               ArrayRef<int64_t> shape = {}) {
    std::vector<uint32_t> result;
    addAxes(axes, shape, result);
    return result;
  }

  void addAxes(ArrayRef<FlatSymbolRefAttr> axes, ArrayRef<int64_t> shape,
               std::vector<uint32_t> &result) {
    for (FlatSymbolRefAttr name : axes) {
      auto axis = symbols.lookup<AxisOp>(name.getValue());
      if (axis.getKind() == AxisKind::copy)
        axis = symbols.lookup<AxisOp>(*axis.getOriginal());
      if (axis.getKind() != AxisKind::plan) {
        result.push_back(schema.findAxis(axis.getSymName()));
        continue;
      }
      SmallVector<FlatSymbolRefAttr> parents = axis.getParentAxes();
      parents.pop_back();
      addAxes(parents, shape, result);
      result.push_back(rankAxis(axis.getSymName(), result.size() < shape.size()
                                                       ? shape[result.size()]
                                                       : ShapedType::kDynamic));
    }
  }

  uint32_t rankAxis(StringRef plan, int64_t rank) {
    return namedAxis((plan + ".rank").str(), rank);
  }

  /// An axis of the library that the spec has no symbol for.
  uint32_t namedAxis(std::string name, int64_t size) {
    int32_t known = schema.findAxis(name);
    if (known >= 0) {
      if (!ShapedType::isDynamic(size))
        schema.axes[known].size = size;
      return known;
    }
    AxisSchema row;
    row.name = name;
    if (!ShapedType::isDynamic(size))
      row.size = size;
    schema.axes.push_back(std::move(row));
    return schema.axes.size() - 1;
  }

  /// The checkpoint's dimensions: axes that it stores as one are one.
  std::vector<uint32_t> storedAxes(ParamOp param, ArrayType type) {
    auto groups = param->getAttrOfType<DenseI64ArrayAttr>("groups");
    std::vector<uint32_t> axes = axesOf(type.getAxes()), stored;
    if (!groups)
      return axes;
    ArrayRef<uint32_t> left = axes;
    for (int64_t count : groups.asArrayRef()) {
      std::string name;
      int64_t size = 1;
      for (uint32_t axis : left.take_front(count)) {
        name += (name.empty() ? "" : ".") + schema.axes[axis].name;
        size *= schema.axes[axis].size;
      }
      stored.push_back(count == 1 ? left.front() : namedAxis(name, size));
      left = left.drop_front(count);
    }
    return stored;
  }

  static SmallVector<FlatSymbolRefAttr> axisNames(ArrayAttr axes) {
    return llvm::map_to_vector(
        axes, [](Attribute axis) { return cast<FlatSymbolRefAttr>(axis); });
  }

  /// The column that goes by `axis.column`, or null. Either may have dots: axes
  /// of modules, and what says whether a list is known.
  ColumnOp columnOf(StringRef name) {
    for (size_t dot = name.find('.'); dot != StringRef::npos;
         dot = name.find('.', dot + 1))
      if (auto axis = symbols.lookup<AxisOp>(name.take_front(dot)))
        if (auto column = dyn_cast_or_null<ColumnOp>(
                SymbolTable::lookupSymbolIn(axis, name.drop_front(dot + 1))))
          return column;
    return {};
  }

  /// What declares the value that an entry calls `name`, or the entry itself.
  Operation *declarationOf(func::FuncOp entry, StringRef name) {
    if (ColumnOp column = columnOf(name))
      return column;
    Operation *symbol = symbols.lookup(name);
    return isa_and_nonnull<SignalOp, ParamOp, StateOp>(symbol) ? symbol : entry;
  }

  StringRef unitOf(StringRef name) {
    if (ColumnOp column = columnOf(name))
      return column.getUnit().value_or("");
    if (auto signal = symbols.lookup<SignalOp>(name))
      return signal.getUnit().value_or("");
    if (auto param = symbols.lookup<ParamOp>(name))
      return param.getUnit().value_or("");
    if (auto state = symbols.lookup<StateOp>(name))
      return state.getUnit().value_or("");
    return {};
  }

  /// Of an argument of an entry: its own, or that of what it reads.
  StringRef unitOf(func::FuncOp entry, unsigned i) {
    if (StringRef unit = text(entry, i, kUnitAttr); !unit.empty())
      return unit;
    bool output = text(entry, i, kRoleAttr) == "output";
    return output ? StringRef() : unitOf(text(entry, i, kNameAttr));
  }

  /// What a column of an axis is where the host does not give it.
  Attribute defaultOf(StringRef name) {
    ColumnOp column = columnOf(name);
    return column ? column.getFallbackAttr() : Attribute();
  }

  LogicalResult collectSymbols(func::FuncOp entry) {
    for (unsigned i = 0; i < entry.getNumArguments(); ++i) {
      StringRef role = text(entry, i, kRoleAttr),
                name = text(entry, i, kNameAttr);
      auto typeAttr = entry.getArgAttrOfType<TypeAttr>(i, "route.type");
      if (!typeAttr || (role != "param" && role != "state" && role != "write"))
        continue;
      auto array = cast<ArrayType>(typeAttr.getValue());
      FailureOr<TypeSchema> type =
          typeOf(entry, array.getElementType(), unitOf(name));
      if (failed(type))
        return failure();
      auto packed = cast<MemRefType>(entry.getArgument(i).getType());
      if (role == "param" && schema.findParam(name) < 0) {
        auto param = symbols.lookup<ParamOp>(name);
        ParamSchema row{name.str(),
                        param.getFrom().str(),
                        param.getFile().value_or("").str(),
                        *type,
                        storedAxes(param, array),
                        0,
                        ROUTE_LAYOUT_ROW_MAJOR};
        if (param->hasAttr("mxfp4"))
          row.stored = ROUTE_STORED_MXFP4;
        if (auto parts =
                entry.getArgAttrOfType<IntegerAttr>(i, "route.packed")) {
          row.packedSize = parts.getInt() * packed.getNumElements() *
                           packed.getElementTypeBitWidth() / 8;
          row.layout = packed.getElementType().isF32()
                           ? ROUTE_LAYOUT_PANELS_F32
                           : ROUTE_LAYOUT_PANELS_BF16;
        }
        if (failed(checkRank(param, row.axes)))
          return failure();
        schema.params.push_back(std::move(row));
      } else if (role != "param" && schema.findState(name) < 0) {
        auto state = symbols.lookup<StateOp>(name);
        if (isa<TextType>(array.getElementType()))
          return notCovered(declarationOf(entry, name), "state of texts");
        FailureOr<Attribute> initial =
            state ? initialOf(state) : initialOf(columnOf(name));
        if (failed(initial))
          return failure();
        auto meaning = (state ? state.getOperation() : columnOf(name))
                           ->getAttrOfType<IntegerAttr>("route.meaning");
        schema.states.push_back(
            {name.str(), state ? state.getFrom().value_or("").str() : "", *type,
             axesOf(array.getAxes()), *initial,
             meaning ? uint32_t(meaning.getInt()) : 0});
        if (failed(checkRank(declarationOf(entry, name),
                             schema.states.back().axes)))
          return failure();
      }
    }
    return success();
  }

  LogicalResult addPool(AxisOp axis) {
    PoolSchema pool;
    pool.name = axis.getSymName().str();
    pool.axis = schema.findAxis(pool.name);
    for (auto column : axis.getColumns().getOps<ColumnOp>()) {
      auto array = cast<ArrayType>(column.getType());
      FailureOr<TypeSchema> type =
          typeOf(column, array.getElementType(), column.getUnit().value_or(""));
      if (failed(type))
        return failure();
      AttributeSchema row;
      row.name = column.getSymName().str();
      row.type = *type;
      row.axes = axesOf(array.getAxes());
      if (failed(checkRank(column, row.axes)))
        return failure();
      if (column.getKind() == ColumnKind::constant) {
        row.kind = ROUTE_ATTRIBUTE_CONST;
        row.values = dyn_cast<DenseElementsAttr>(*column.getValue());
        // Text columns are constants of the code, not of the description.
        if (!row.values || !row.values.getElementType().isIntOrFloat())
          continue;
      } else {
        row.kind = column.getKind() == ColumnKind::live ? ROUTE_ATTRIBUTE_LIVE
                                                        : ROUTE_ATTRIBUTE_STATE;
        row.state = schema.findState((pool.name + "." + row.name));
        if (row.state < 0)
          continue; // no entry reads it
      }
      pool.attributes.push_back(std::move(row));
    }
    schema.pools.push_back(std::move(pool));
    return success();
  }

  static StringRef text(func::FuncOp entry, unsigned i, StringRef attribute) {
    auto value = entry.getArgAttrOfType<StringAttr>(i, attribute);
    return value ? value.getValue() : StringRef();
  }

  LogicalResult addEntry(func::FuncOp entry) {
    EntrySchema row;
    row.symbol = row.name = entry.getSymName().str();
    row.kind = ROUTE_ENTRY_ROUTE;
    SmallVector<StringRef> paths; // of the inputs
    SmallVector<StringRef> lists; // of each: those that it says there are
    for (unsigned i = 0; i < entry.getNumArguments(); ++i) {
      if (entry.getArgAttr(i, "ragged.has_bf16_dot"))
        continue;
      StringRef role = text(entry, i, kRoleAttr),
                name = text(entry, i, kNameAttr);
      if (role == "size" || role == "now" || role == "seed" ||
          role == "param" || role == "workspace" || role == "env" ||
          role == "changes" || role == "host" || role == "prepared")
        continue;
      if (role == "known") {
        row.inputs.back().knownAxes = row.inputs.back().axes.size();
        continue;
      }
      if (role == "state") {
        uint32_t state = schema.findState(name);
        if (!llvm::is_contained(row.reads, state))
          row.reads.push_back(state);
        continue;
      }
      if (role == "write") {
        uint32_t state = schema.findState(name);
        row.writes.push_back(state);
        if (entry.getArgAttr(i, kReadsAttr) &&
            !llvm::is_contained(row.reads, state))
          row.reads.push_back(state);
        continue;
      }
      PortSchema port;
      // A column goes by its own name: items are records of columns.
      port.name = name.str();
      if (ColumnOp column = columnOf(name); column && role == "input")
        port.name = column.getSymName().str();
      SmallVector<FlatSymbolRefAttr> axes =
          axisNames(entry.getArgAttrOfType<ArrayAttr>(i, kAxesAttr));
      auto buffer = cast<MemRefType>(entry.getArgument(i).getType());
      StringRef part = text(entry, i, kPartAttr);
      if (auto plan = entry.getArgAttrOfType<IntegerAttr>(i, kPlanAttr)) {
        row.kind = ROUTE_ENTRY_ROUTER;
        port.subject = plan.getInt();
        port.role = part == "index"    ? ROUTE_ROLE_PLAN_INDEX
                    : part == "count"  ? ROUTE_ROLE_PLAN_COUNT
                    : part == "status" ? ROUTE_ROLE_PLAN_STATUS
                                       : ROUTE_ROLE_PLAN_COLUMN;
      }
      if (role == "offsets") {
        port.type.element = ROUTE_I32;
        port.axes = axesOf(axes);
      } else if (part == "index" || part == "count") {
        auto plan = symbols.lookup<AxisOp>(axes.front().getValue());
        SmallVector<FlatSymbolRefAttr> parents = plan.getParentAxes();
        port.type.element = ROUTE_I32;
        port.axes = axesOf(ArrayRef(parents).drop_back(), buffer.getShape());
        if (part == "index") {
          // Rows of a plan are chosen by their places in its index, which are
          // an axis by the plan's name.
          auto given = entry.getArgAttrOfType<FlatSymbolRefAttr>(i, kRowsAttr);
          auto chosen = symbols.lookup<AxisOp>(
              (given ? given : parents.back()).getValue());
          port.type.rowsOf =
              chosen.getKind() == AxisKind::plan
                  ? namedAxis(chosen.getSymName().str(), ShapedType::kDynamic)
              : chosen.getKind() == AxisKind::copy
                  ? schema.findAxis(*chosen.getOriginal())
                  : schema.findAxis(chosen.getSymName());
          port.axes.push_back(
              rankAxis(plan.getSymName(), buffer.getShape().back()));
        }
      } else {
        auto array = cast<ArrayType>(
            entry.getArgAttrOfType<TypeAttr>(i, "route.type").getValue());
        FailureOr<TypeSchema> type =
            typeOf(declarationOf(entry, name), array.getElementType(),
                   unitOf(entry, i));
        if (failed(type))
          return failure();
        port.type = *type;
        port.initial = defaultOf(name);
        port.axes = axesOf(axes, buffer.getShape());
      }
      if (entry.getArgAttr(i, kOtherItemsAttr))
        port.type.flags |= ROUTE_TYPE_OTHER_ITEMS;
      if (role == "offsets") {
        auto of = entry.getArgAttrOfType<FlatSymbolRefAttr>(i, kOfAttr);
        port.role = ROUTE_ROLE_OFFSETS;
        port.subject = schema.findAxis(of.getValue());
        schema.axes[port.subject].ragged = true;
      }
      if (failed(checkRank(declarationOf(entry, name), port.axes)))
        return failure();
      if (role != "output") {
        paths.push_back(name);
        lists.push_back(text(entry, i, kListsAttr));
      }
      (role == "output" ? row.outputs : row.inputs).push_back(std::move(port));
    }
    // Columns of two axes may have one name: then both go by their paths.
    SmallVector<std::string> names;
    for (const PortSchema &port : row.inputs)
      names.push_back(port.name);
    for (auto [port, path] : llvm::zip(row.inputs, paths))
      if (llvm::count(names, port.name) > 1)
        port.name = path.str();
    for (auto [port, list] : llvm::zip(row.inputs, lists)) {
      if (list.empty())
        continue;
      port.role = ROUTE_ROLE_KNOWN;
      auto members = llvm::find(paths, list);
      if (members == paths.end())
        continue; // the entry asks for none
      port.subject = members - paths.begin();
      port.name = row.inputs[port.subject].name + ".known";
    }
    llvm::sort(row.reads);
    llvm::sort(row.writes);
    if (entry->hasAttr(kEventAttr))
      row.kind = ROUTE_ENTRY_EVENT;
    // Items are decided independently where everything has the item's axis.
    if (!row.outputs.empty() && !row.outputs.front().axes.empty() &&
        schema.axes[row.outputs.front().axes.front()].size < 0)
      row.itemAxis = row.outputs.front().axes.front();
    // Where no input tells how many items there are, their ids do.
    if (row.itemAxis >= 0 &&
        llvm::none_of(row.inputs, [&](const PortSchema &port) {
          return llvm::is_contained(port.axes, uint32_t(row.itemAxis));
        })) {
      PortSchema ids;
      ids.name = "id";
      ids.type.element = ROUTE_U64;
      ids.axes = {uint32_t(row.itemAxis)};
      ids.role = ROUTE_ROLE_ID;
      row.inputs.push_back(std::move(ids));
    }
    if (row.inputs.size() + row.outputs.size() > ROUTE_MAX_PORTS)
      return notCovered(entry, "more than " + Twine(int(ROUTE_MAX_PORTS)) +
                                   " inputs and outputs of an entry");
    schema.entries.push_back(std::move(row));
    if (schema.entries.size() > ROUTE_MAX_ENTRIES)
      return notCovered(entry, "more than " + Twine(int(ROUTE_MAX_ENTRIES)) +
                                   " entries");
    return success();
  }

  ModuleOp module;
  SymbolTable symbols;
  Schema schema;
};
} // namespace

FailureOr<Schema> route::buildSchema(ModuleOp module) {
  return SchemaBuilder(module).build();
}
