// Options of the signal operations.
// Numbers equal those of the enumerations in compiler/include/route/Text.
#ifndef ROUTE_DIALECT_SIGNAL_IR_SIGNALENUMS_TD
#define ROUTE_DIALECT_SIGNAL_IR_SIGNALENUMS_TD

include "mlir/IR/EnumAttr.td"
include "route/Dialect/Signal/IR/SignalDialect.td"

class Signal_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::route::signal";
  let genSpecializedAttr = 0;
}

def Signal_PatternKind : Signal_Enum<"PatternKind", "what a pattern is", [
  I32EnumAttrCase<"Keyword", 0, "keyword">,
  I32EnumAttrCase<"Regex", 1, "regex">]>;

def Signal_FoldKind : Signal_Enum<"FoldKind", "which characters are equal", [
  I32EnumAttrCase<"Exact", 0, "exact">,
  I32EnumAttrCase<"Simple", 1, "simple">,
  I32EnumAttrCase<"Full", 2, "full">,
  I32EnumAttrCase<"Nfkc", 3, "nfkc">]>;

def Signal_BoundaryKind : Signal_Enum<"BoundaryKind", "what may stand beside a keyword", [
  I32EnumAttrCase<"None", 0, "none">,
  I32EnumAttrCase<"Word", 1, "word">,
  I32EnumAttrCase<"Ascii", 2, "ascii">]>;

def Signal_AnchorKind : Signal_Enum<"AnchorKind", "where in the text a keyword stands", [
  I32EnumAttrCase<"None", 0, "none">,
  I32EnumAttrCase<"Start", 1, "start">,
  I32EnumAttrCase<"End", 2, "end">]>;

def Signal_ModeKind : Signal_Enum<"ModeKind", "how the patterns of a predicate combine", [
  I32EnumAttrCase<"Any", 0, "any">,
  I32EnumAttrCase<"All", 1, "all">,
  I32EnumAttrCase<"Count", 2, "count">]>;

def Signal_MeasureKind : Signal_Enum<"MeasureKind", "what is counted", [
  I32EnumAttrCase<"Bytes", 0, "bytes">,
  I32EnumAttrCase<"Chars", 1, "chars">,
  I32EnumAttrCase<"Words", 2, "words">,
  I32EnumAttrCase<"Lines", 3, "lines">,
  I32EnumAttrCase<"Digits", 4, "digits">,
  I32EnumAttrCase<"Uppers", 5, "uppers">,
  I32EnumAttrCase<"Puncts", 6, "puncts">,
  I32EnumAttrCase<"Spaces", 7, "spaces">,
  I32EnumAttrCase<"Wide", 8, "wide">,
  I32EnumAttrCase<"Fences", 9, "fences">,
  I32EnumAttrCase<"Fenced", 10, "fenced">]>;

def Signal_UnitKind : Signal_Enum<"UnitKind", "what an n-gram is made of", [
  I32EnumAttrCase<"Bytes", 0, "bytes">,
  I32EnumAttrCase<"Words", 1, "words">]>;

def Signal_HashKind : Signal_Enum<"HashKind", "how an n-gram becomes a number", [
  I32EnumAttrCase<"Xxh3", 0, "xxh3">,
  I32EnumAttrCase<"Fnv1a", 1, "fnv1a">]>;

def Signal_WeightingKind : Signal_Enum<"WeightingKind", "what an n-gram count becomes", [
  I32EnumAttrCase<"Count", 0, "count">,
  I32EnumAttrCase<"Binary", 1, "binary">,
  I32EnumAttrCase<"Log", 2, "log">]>;

def Signal_NormKind : Signal_Enum<"NormKind", "what features are divided by", [
  I32EnumAttrCase<"None", 0, "none">,
  I32EnumAttrCase<"L2", 1, "l2">]>;

def Signal_MeasureKindAttr : EnumAttr<Signal_Dialect, Signal_MeasureKind, "measure">;

def Signal_UnitKindAttr : EnumAttr<Signal_Dialect, Signal_UnitKind, "unit">;

def Signal_HashKindAttr : EnumAttr<Signal_Dialect, Signal_HashKind, "hash">;

def Signal_WeightingKindAttr : EnumAttr<Signal_Dialect, Signal_WeightingKind, "weighting">;

def Signal_NormKindAttr : EnumAttr<Signal_Dialect, Signal_NormKind, "norm">;

#endif // ROUTE_DIALECT_SIGNAL_IR_SIGNALENUMS_TD
