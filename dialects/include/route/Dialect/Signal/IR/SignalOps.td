// Operations of the signal dialect.
#ifndef ROUTE_DIALECT_SIGNAL_IR_SIGNALOPS_TD
#define ROUTE_DIALECT_SIGNAL_IR_SIGNALOPS_TD

include "mlir/IR/OpAsmInterface.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "route/Dialect/Signal/IR/SignalAttributes.td"
include "route/Dialect/Signal/IR/SignalTypes.td"

class Signal_Op<string mnemonic, list<Trait> traits = []>
    : Op<Signal_Dialect, mnemonic, traits>;

def Signal_ConstantOp : Signal_Op<"constant", [ConstantLike, Pure]> {
  let summary = "a text that the program contains";
  let description = [{
    Example:
    ```mlir
    %t = signal.constant "hello"
    ```
  }];
  let arguments = (ins StrAttr:$value);
  let results = (outs Signal_Text:$result);
  let assemblyFormat = "$value attr-dict";
  let hasFolder = 1;
}

def Signal_MeasureOp : Signal_Op<"measure", [Pure]> {
  let summary = "counts bytes, characters, words, lines or the like";
  let description = [{
    Folds on a constant text.

    Example:
    ```mlir
    %n = signal.measure bytes %t
    ```
  }];
  let arguments = (ins Signal_MeasureKindAttr:$what, Signal_Text:$text);
  let results = (outs I64:$result);
  let assemblyFormat = "$what $text attr-dict";
  let hasFolder = 1;
}

def Signal_EstimateOp : Signal_Op<"estimate", [Pure]> {
  let summary = "the tokens of a text, from its bytes";
  let description = [{
    The bytes over `bytesPerToken`, rounded up.

    Example:
    ```mlir
    %n = signal.estimate %t per 4.0
    ```

    Constraints:
    - (E1) `bytesPerToken` is within 1/1024 and 1,000,000.
  }];
  let arguments = (ins Signal_Text:$text, F64Attr:$bytesPerToken);
  let results = (outs I64:$result);
  let assemblyFormat = "$text `per` $bytesPerToken attr-dict";
  let hasVerifier = 1;
}

def Signal_EqualOp : Signal_Op<"equal", [Pure]> {
  let summary = "whether two texts have the same bytes";
  let description = [{
    Example:
    ```mlir
    %b = signal.equal %a, %t
    ```
  }];
  let arguments = (ins Signal_Text:$lhs, Signal_Text:$rhs);
  let results = (outs I1:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict";
  let hasFolder = 1;
}

def Signal_HashOp : Signal_Op<"hash", [Pure]> {
  let summary = "the number that a text is to a draw";
  let description = [{
    FNV-1a of 64 bits over the bytes, as in philox.h.

    Example:
    ```mlir
    %h = signal.hash %t
    ```
  }];
  let arguments = (ins Signal_Text:$text);
  let results = (outs I64:$result);
  let assemblyFormat = "$text attr-dict";
  let hasFolder = 1;
}

def Signal_MatchOp : Signal_Op<"match", [Pure, InferTypeOpAdaptor]> {
  let summary = "one predicate on a text";
  let description = [{
    i1, or i64 for a count. Folds on a constant text.

    Example:
    ```mlir
    %b = signal.match <any [<keyword "ignore" fold = simple boundary = word>]> %t : i1
    ```

    Constraints:
    - (M1) the result is i1 for `any` and `all`, i64 for `count`.
  }];
  let arguments = (ins Signal_PredicateAttr:$predicate, Signal_Text:$text);
  let results = (outs AnyTypeOf<[I1, I64]>:$result);
  let assemblyFormat = "$predicate $text attr-dict `:` type($result)";
  let hasFolder = 1;
}

def Signal_ScanOp : Signal_Op<"scan", [Pure, InferTypeOpAdaptor]> {
  let summary = "several predicates on a text, in one pass";
  let description = [{
    What as many `signal.match` would say, from one automaton. `route-fuse-text`
    makes them.

    Example:
    ```mlir
    %a, %b = signal.scan [#signal.predicate<any [<keyword "ignore">]>,
                          #signal.predicate<any [<regex "a+b">]>] %t : i1, i1
    ```

    Constraints:
    - (S1) there is a predicate, and a result for each, of the type M1 says.
  }];
  let arguments = (ins TypedArrayAttrBase<Signal_PredicateAttr, "predicates">:$predicates,
                       Signal_Text:$text);
  let results = (outs Variadic<AnyTypeOf<[I1, I64]>>:$results);
  let assemblyFormat = "$predicates $text attr-dict `:` type($results)";
  let hasVerifier = 1;
}

def Signal_CountOp : Signal_Op<"count", [Pure]> {
  let summary = "the number of matches of a pattern";
  let description = [{
    Successive matches from the left, each the one RE2 prefers.

    Example:
    ```mlir
    %n = signal.count <regex "[0-9]+"> %t
    ```

    Constraints:
    - (C1) the pattern does not match the empty text.
  }];
  let arguments = (ins Signal_PatternAttr:$pattern, Signal_Text:$text);
  let results = (outs I64:$result);
  let assemblyFormat = "$pattern $text attr-dict";
  let hasVerifier = 1;
}

def Signal_DensityOp : Signal_Op<"density", [Pure]> {
  let summary = "the share of a text inside keywords";
  let description = [{
    Bytes inside successive longest occurrences over all bytes, 0 for an empty
    text.

    Example:
    ```mlir
    %d = signal.density [#signal.pattern<keyword "ignore">] %t
    ```

    Constraints:
    - (D1) the patterns are keywords, folded exact or simple.
  }];
  let arguments = (ins TypedArrayAttrBase<Signal_PatternAttr, "patterns">:$patterns,
                       Signal_Text:$text);
  let results = (outs F32:$result);
  let assemblyFormat = "$patterns $text attr-dict";
  let hasVerifier = 1;
}

def Signal_NgramsOp : Signal_Op<"ngrams", [DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "hashed n-gram features";
  let description = [{
    Overwrites `out`, f32[D], with the features; the tensor form returns it.

    Example:
    ```mlir
    %f = signal.ngrams %t into %init {lo = 3 : i64, hi = 3 : i64} : tensor<512xf32> -> tensor<512xf32>
    ```

    Constraints:
    - (N1) `out` has one static dimension of 1 to 2^24, and as a buffer is
      contiguous.
    - (N2) 1 <= lo <= hi <= 16.
  }];
  let arguments = (ins
    Signal_Text:$text,
    AnyTypeOf<[RankedTensorOf<[F32]>, MemRefOf<[F32]>]>:$out,
    I64Attr:$lo, I64Attr:$hi,
    DefaultValuedAttr<Signal_UnitKindAttr, "UnitKind::Bytes">:$unit,
    DefaultValuedAttr<Signal_HashKindAttr, "HashKind::Xxh3">:$hash,
    DefaultValuedAttr<I64Attr, "0">:$seed,
    DefaultValuedAttr<Signal_WeightingKindAttr, "WeightingKind::Count">:$weighting,
    DefaultValuedAttr<Signal_NormKindAttr, "NormKind::None">:$norm);
  let results = (outs Optional<RankedTensorOf<[F32]>>:$result);
  let assemblyFormat = "$text `into` $out attr-dict `:` type($out) (`->` type($result)^)?";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
  }];
}

include "route/Dialect/Signal/IR/SignalTableOps.td"

#endif // ROUTE_DIALECT_SIGNAL_IR_SIGNALOPS_TD
