// Patterns and predicates as attributes.
#ifndef ROUTE_DIALECT_SIGNAL_IR_SIGNALATTRIBUTES_TD
#define ROUTE_DIALECT_SIGNAL_IR_SIGNALATTRIBUTES_TD

include "mlir/IR/AttrTypeBase.td"
include "route/Dialect/Signal/IR/SignalEnums.td"

class Signal_Attr<string name, string attrMnemonic>
    : AttrDef<Signal_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def Signal_PatternAttr : Signal_Attr<"Pattern", "pattern"> {
  let summary = "one keyword or regular expression";
  let description = [{
    The options mean what they mean in docs/text.md. A regular expression takes
    `fold = exact` or `simple` and nothing else.

    Example:
    ```mlir
    #signal.pattern<keyword "ignore" fold = simple boundary = word>
    #signal.pattern<keyword "Dear" anchor = start>
    #signal.pattern<regex "\\bdef\\b">
    ```

    Constraints:
    - (P1) the text is a keyword that is not empty, or a regular expression that
      parses, in valid UTF-8.
    - (P2) a regular expression has no boundary, no anchor and no fold beyond
      simple.
  }];
  let parameters = (ins
    EnumParameter<Signal_PatternKind>:$kind,
    "::mlir::StringAttr":$text,
    DefaultValuedParameter<"FoldKind", "FoldKind::Exact">:$fold,
    DefaultValuedParameter<"BoundaryKind", "BoundaryKind::None">:$boundary,
    DefaultValuedParameter<"AnchorKind", "AnchorKind::None">:$anchor);
  let assemblyFormat = [{
    `<` $kind $text (`fold` `=` $fold^)? (`boundary` `=` $boundary^)?
    (`anchor` `=` $anchor^)? `>`
  }];
  let genVerifyDecl = 1;
}

def Signal_PredicateAttr : Signal_Attr<"Predicate", "predicate"> {
  let summary = "one question about a text";
  let description = [{
    `any` and `all` of the patterns, or the `count` of the different ones that
    occur.

    Example:
    ```mlir
    #signal.predicate<any [<keyword "ignore">, <keyword "bypass">]>
    ```
  }];
  let parameters = (ins
    EnumParameter<Signal_ModeKind>:$mode,
    ArrayRefParameter<"PatternAttr">:$patterns);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    /// i1, or i64 for a count.
    ::mlir::Type getResultType();
  }];
}

#endif // ROUTE_DIALECT_SIGNAL_IR_SIGNALATTRIBUTES_TD
