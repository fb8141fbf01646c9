// Findings of measurements, and choices that whoever runs a library can make.
#include "route/Dialect/Ragged/Transforms/Tuning.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;

namespace route::ragged {

/// Appends to an array on the module.
static void append(ModuleOp module, StringRef name, Attribute value) {
  SmallVector<Attribute> all;
  if (auto had = module->getAttrOfType<ArrayAttr>(name))
    llvm::append_range(all, had);
  all.push_back(value);
  module->setAttr(name, ArrayAttr::get(module.getContext(), all));
}

std::optional<SmallVector<FormLimit>> findTuning(ModuleOp module,
                                                 StringRef shape) {
  auto findings = module->getAttrOfType<DictionaryAttr>(kTuningAttr);
  auto forms = findings ? findings.getAs<ArrayAttr>(shape) : ArrayAttr();
  if (!forms)
    return std::nullopt;
  SmallVector<FormLimit> limits;
  for (auto form : forms.getAsRange<DictionaryAttr>()) {
    auto rows = form.getAs<IntegerAttr>("rows");
    limits.push_back({form.getAs<StringAttr>("form").str(),
                      rows ? rows.getInt() : FormLimit::kAll});
  }
  auto used = StringAttr::get(module.getContext(), shape);
  auto had = module->getAttrOfType<ArrayAttr>(kTunedAttr);
  if (!had || !llvm::is_contained(had, used))
    append(module, kTunedAttr, used);
  return limits;
}

/// An array by choices, which the library's description defines.
static Value choicesArray(ImplicitLocOpBuilder &b, ModuleOp module,
                          StringRef name, Type element) {
  auto type = MemRefType::get({kMostChoices}, element);
  if (!module.lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    memref::GlobalOp::create(b, name, StringAttr(), type, Attribute(),
                             /*constant=*/false, IntegerAttr());
  }
  return memref::GetGlobalOp::create(b, type, name);
}

Choice::Choice(ImplicitLocOpBuilder &b, StringRef shape,
               ArrayRef<FormLimit> forms, Value rows)
    : forms(forms), rows(rows) {
  Operation *here = b.getInsertionBlock()->getParentOp();
  auto function = isa<FunctionOpInterface>(here)
                      ? cast<FunctionOpInterface>(here)
                      : here->getParentOfType<FunctionOpInterface>();
  auto module = function->getParentOfType<ModuleOp>();
  auto had = module->getAttrOfType<ArrayAttr>(kChoicesAttr);
  int64_t number = had ? had.size() : 0;
  if (!module->hasAttr(kTunableAttr) || number == kMostChoices)
    return;
  SmallVector<Attribute> names, most;
  for (const FormLimit &form : forms) {
    names.push_back(b.getStringAttr(form.form));
    if (form.rows != FormLimit::kAll)
      most.push_back(b.getI64IntegerAttr(form.rows));
  }
  append(module, kChoicesAttr,
         b.getDictionaryAttr(
             {b.getNamedAttr("entry", b.getStringAttr(function.getName())),
              b.getNamedAttr("forms", b.getArrayAttr(names)),
              b.getNamedAttr("most", b.getArrayAttr(most)),
              b.getNamedAttr("shape", b.getStringAttr(shape))}));
  Value at = arith::ConstantIndexOp::create(b, number);
  memref::StoreOp::create(
      b, arith::IndexCastOp::create(b, b.getI64Type(), rows),
      choicesArray(b, module, kSeenRowsSymbol, b.getI64Type()), at);
  chosen = memref::LoadOp::create(
      b, choicesArray(b, module, kChosenFormsSymbol, b.getI32Type()), at);
}

Value Choice::takes(ImplicitLocOpBuilder &b, size_t i) {
  auto number = [&](int64_t v) -> Value {
    return arith::ConstantOp::create(b, b.getI32IntegerAttr(v));
  };
  Value own;
  if (forms[i].rows == FormLimit::kAll)
    own = arith::ConstantOp::create(b, b.getBoolAttr(true));
  else
    own =
        arith::CmpIOp::create(b, arith::CmpIPredicate::ule, rows,
                              arith::ConstantIndexOp::create(b, forms[i].rows));
  if (!chosen)
    return own;
  Value isOpen =
      arith::CmpIOp::create(b, arith::CmpIPredicate::slt, chosen, number(0));
  Value isThis = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, chosen,
                                       number(static_cast<int64_t>(i)));
  return arith::SelectOp::create(b, isOpen, own, isThis);
}

} // namespace route::ragged
