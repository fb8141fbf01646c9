// What a spec that has no library takes, keeps and gives.
#include "RunByNames.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Library/Element.h"
#include "route/Refusals.h"
#include "route/route.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace route;

namespace {
/// A section of the description: objects, each with a name.
struct Section {
  const char *name;
  llvm::json::Array items;
};
} // namespace

/// "f64[request, models]? in $, in memory p$", as route-run writes the types of
/// a library.
static std::string typeText(Type type, std::optional<StringRef> unit = {}) {
  if (auto plan = dyn_cast<PlanType>(type))
    return "plan " + plan.getAxis().getValue().str();
  auto array = dyn_cast<route::ArrayType>(type);
  if (!array)
    return "";
  Type element = array.getElementType();
  bool range = isa<RangeType>(element);
  Type plain = getValueType(element);
  std::string text;
  if (auto coded = dyn_cast<EnumType>(plain))
    text = coded.getSymbol().getValue().str();
  else if (auto row = dyn_cast<RefType>(plain))
    text = "ref " + row.getAxis().getValue().str();
  else if (uint32_t code = libraryElement(plain))
    text = route_element_name(code);
  else
    text = isa<SetType>(plain)    ? "set"
           : isa<ListType>(plain) ? "list"
                                  : "value";
  if (!array.getAxes().empty())
    text += "[" +
            llvm::join(llvm::map_range(array.getAxes(),
                                       [](FlatSymbolRefAttr axis) {
                                         return axis.getValue();
                                       }),
                       ", ") +
            "]";
  if (range)
    text += "?";
  StringRef written = unit.value_or("");
  if (written == "p$" || written.starts_with("p$/"))
    text += (" in " + written.drop_front() + ", in memory " + written).str();
  else if (!written.empty())
    text += " in " + written.str();
  return text;
}

static llvm::json::Object named(StringRef name, std::string type) {
  llvm::json::Object item{{"name", name.str()}};
  if (!type.empty())
    item["type"] = std::move(type);
  return item;
}

static llvm::json::Array
ports(ArrayRef<Type> types, function_ref<Attribute(unsigned, StringRef)> attr) {
  llvm::json::Array list;
  for (auto [i, type] : llvm::enumerate(types)) {
    auto name = dyn_cast_or_null<StringAttr>(attr(i, "route.name"));
    auto role = dyn_cast_or_null<StringAttr>(attr(i, "route.role"));
    if (role && role.getValue() == "kept")
      continue;
    bool item = role && role.getValue() == "item";
    auto unit = dyn_cast_or_null<StringAttr>(attr(i, "route.unit"));
    llvm::json::Object port =
        named(name ? name.getValue() : StringRef("-"),
              typeText(type, unit ? std::optional(unit.getValue())
                                  : std::optional<StringRef>()));
    if (role)
      port["role"] = item ? StringRef("item") : role.getValue();
    list.push_back(std::move(port));
  }
  return list;
}

static std::vector<Section> describe(ModuleOp module) {
  Section axes{"axes", {}}, inputs{"inputs", {}}, pools{"pools", {}},
      params{"parameters", {}}, states{"state", {}}, budgets{"budgets", {}},
      rejects{"rejects", {}}, entries{"entries", {}};
  for (auto axis : module.getOps<AxisOp>()) {
    if (axis.getKind() == AxisKind::plan || axis.getOriginal())
      continue;
    llvm::json::Object item{{"name", axis.getSymName()}};
    if (axis.getStaticSize() >= 0)
      item["size"] = axis.getStaticSize();
    if (auto labels = axis.getLabels())
      for (auto label : labels->getAsRange<StringAttr>()) {
        if (!item.get("members"))
          item["members"] = llvm::json::Array();
        item.getArray("members")->push_back(label.getValue());
      }
    for (auto column : axis.getColumns().getOps<ColumnOp>()) {
      llvm::json::Object entry =
          named((axis.getSymName() + "." + column.getSymName()).str(),
                typeText(column.getType(), column.getUnit()));
      switch (column.getKind()) {
      case ColumnKind::input:
      case ColumnKind::live:
        entry["role"] = stringifyColumnKind(column.getKind());
        inputs.items.push_back(std::move(entry));
        break;
      case ColumnKind::state:
        states.items.push_back(std::move(entry));
        break;
      case ColumnKind::constant:
        pools.items.push_back(std::move(entry));
        break;
      }
    }
    axes.items.push_back(std::move(item));
  }
  for (auto signal : module.getOps<SignalOp>())
    if (signal.getBody().empty() || signal.getHost()) {
      llvm::json::Object item = named(
          signal.getSymName(), typeText(signal.getType(), signal.getUnit()));
      if (signal.getHost())
        item["role"] = "host." + signal.getHost()->str();
      inputs.items.push_back(std::move(item));
    }
  for (auto param : module.getOps<ParamOp>())
    params.items.push_back(
        named(param.getSymName(), typeText(param.getType(), param.getUnit())));
  for (auto state : module.getOps<StateOp>()) {
    llvm::json::Object item =
        named(state.getSymName(), typeText(state.getType(), state.getUnit()));
    if (state->hasAttr("keys"))
      item["role"] = "with keys";
    states.items.push_back(std::move(item));
  }
  for (auto budget : module.getOps<BudgetOp>()) {
    llvm::json::Object item = named(budget.getSymName(), "");
    item["pool"] = budget.getPool();
    item["window"] = budget.getWindow();
    budgets.items.push_back(std::move(item));
  }
  forEachReason(module, [&](int64_t code, StringRef reason) {
    llvm::json::Object item = named(reason, "");
    item["code"] = code;
    rejects.items.push_back(std::move(item));
  });
  for (auto func : module.getOps<FuncOp>()) {
    llvm::json::Object item = named(func.getSymName(), "");
    item["role"] = func.getKind() == FuncKind::handler ? StringRef("event")
                   : func.getKind() == FuncKind::steps
                       ? StringRef("route that calls the host")
                       : stringifyFuncKind(func.getKind());
    item["in"] =
        ports(func.getArgumentTypes(), [&](unsigned i, StringRef name) {
          return func.getArgAttr(i, name);
        });
    if (func.getKind() != FuncKind::handler)
      item["out"] =
          ports(func.getResultTypes(), [&](unsigned i, StringRef name) {
            return func.getResultAttr(i, name);
          });
    entries.items.push_back(std::move(item));
  }
  std::vector<Section> sections;
  for (Section *section :
       {&axes, &inputs, &pools, &params, &states, &budgets, &rejects, &entries})
    sections.push_back(std::move(*section));
  return sections;
}

/// "f32[request], item": what an object says behind its name.
static std::string summary(const llvm::json::Object &item) {
  std::string text;
  auto add = [&](StringRef part) {
    text += (text.empty() ? "" : ", ") + part.str();
  };
  if (auto type = item.getString("type"))
    add(*type);
  if (auto role = item.getString("role"))
    add(*role);
  if (auto size = item.getInteger("size"))
    add(std::to_string(*size));
  if (auto code = item.getInteger("code"))
    add(std::to_string(*code));
  if (auto pool = item.getString("pool"))
    add(("over " + *pool).str());
  if (auto window = item.getString("window"))
    add(("window " + *window).str());
  std::string members;
  if (auto *list = item.getArray("members"))
    for (const llvm::json::Value &member : *list)
      members += (members.empty() ? ": " : ", ") + member.getAsString()->str();
  return text + members;
}

void route::describeByNames(ModuleOp module, bool json, llvm::raw_ostream &os) {
  std::vector<Section> sections = describe(module);
  if (json) {
    llvm::json::Object all{{"target", "interpreter by names"}};
    for (Section &section : sections)
      all[section.name] = std::move(section.items);
    os << llvm::formatv("{0:2}\n", llvm::json::Value(std::move(all)));
    return;
  }
  auto line = [&](const Twine &indent, const llvm::json::Object &item) {
    std::string name = (indent + *item.getString("name")).str();
    os << "  " << name;
    if (std::string text = summary(item); !text.empty())
      os.indent(name.size() < 20 ? 20 - name.size() : 0) << ' ' << text;
    os << '\n';
  };
  os << "target interpreter, by names\n";
  for (const Section &section : sections) {
    if (section.items.empty())
      continue;
    os << section.name << '\n';
    for (const llvm::json::Value &value : section.items) {
      const llvm::json::Object &item = *value.getAsObject();
      line("", item);
      for (StringRef side : {"in", "out"})
        if (auto *list = item.getArray(side))
          for (const llvm::json::Value &port : *list)
            line((side.size() == 2 ? "  in  " : "  out "), *port.getAsObject());
    }
  }
}
