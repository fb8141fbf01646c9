// Element types in the words of the language; nothing of MLIR's may show.
#include "route/Dialect/Route/IR/Spelling.h"
#include "route/Dialect/Route/IR/RouteDialect.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace route;

std::string route::spellElement(Type element) {
  return llvm::TypeSwitch<Type, std::string>(element)
      .Case<RangeType>(
          [](auto range) { return spellElement(range.getValueType()) + "?"; })
      .Case<TextType>([](auto) { return "text"; })
      .Case<HandleType>([](auto) { return "handle"; })
      .Case<route::EnumType>(
          [](auto type) { return "enum " + type.getSymbol().getValue().str(); })
      .Case<RefType>(
          [](auto type) { return "ref " + type.getAxis().getValue().str(); })
      .Case<ListType>([](auto type) {
        return "[" + spellElement(type.getValueType()) + "]";
      })
      .Case<SetType>(
          [](auto type) { return "set " + spellElement(type.getValueType()); })
      .Case<Float4E2M1FNType>([](auto) { return "mxfp4"; })
      .Case<Float8E4M3FNType>([](auto) { return "f8e4m3"; })
      .Case<Float8E5M2Type>([](auto) { return "f8e5m2"; })
      .Case<IntegerType>([](auto type) {
        if (type.getWidth() == 1)
          return std::string("bool");
        return (type.isUnsigned() ? "u" : "i") +
               std::to_string(type.getWidth());
      })
      .Default([](Type type) {
        std::string text;
        llvm::raw_string_ostream(text) << type;
        return text;
      });
}
