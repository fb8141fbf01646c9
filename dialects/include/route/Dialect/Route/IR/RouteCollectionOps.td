// Ops of the route dialect on lists and sets, on state with keys, and on pools made of pools.
//
// An axis that is a pool of pools has the attribute `parts`, the symbols of those it is made of, end to end;
// `skipped` says which of them hold rows that stand for passing over those of their pool. State with `keys`,
// the element types of a key, has a value for each key; `bound` limits their number, the least recently written leaves first.
#ifndef ROUTE_DIALECT_ROUTE_IR_ROUTECOLLECTIONOPS_TD
#define ROUTE_DIALECT_ROUTE_IR_ROUTECOLLECTIONOPS_TD

include "route/Dialect/Route/IR/RouteOpBase.td"

def Route_FindOp : Route_ElementwiseOp<"find"> {
  let summary = "the place of an element in a list or set";
  let description = [{
    The first place from 0 as i64, or -1 where it is not a member. A range where
    an operand is one; nothing is surely in an empty collection.

    Constraint: the collection's members are of the element's type.

    Example:
    ```mlir
    %f = route.find %x in %s : !route.array<i64 [@request]>, !route.array<!route.set<i64> [@skills]>
    ```
  }];
  let arguments = (ins Route_AnyArray:$element, Route_AnyArray:$collection);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$element `in` $collection `:` type($element) `,` type($collection) attr-dict";
  let hasVerifier = 1;
}

def Route_SubsetOp : Route_ElementwiseOp<"subset"> {
  let summary = "whether every member of one collection is in another";
  let description = [{
    A truth; the empty collection is in every other. A range where an operand is
    one.

    Constraint: both are lists or sets of one member type.

    Example:
    ```mlir
    %u = route.subset %s in %s : !route.array<!route.set<i64> [@skills]>, !route.array<!route.set<i64> [@skills]>
    ```
  }];
  let arguments = (ins Route_AnyArray:$lhs, Route_AnyArray:$rhs);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$lhs `in` $rhs `:` type($lhs) `,` type($rhs) attr-dict";
  let hasVerifier = 1;
}

def Route_IsEmptyOp : Route_ElementwiseOp<"is_empty"> {
  let summary = "whether a collection has no members";
  let description = [{
    A truth for each collection.

    Constraint: the operand is a list or set that is known.

    Example:
    ```mlir
    %n = route.is_empty %s : !route.array<!route.set<i64> [@skills]>
    ```
  }];
  let arguments = (ins Route_AnyArray:$collection);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$collection `:` type($collection) attr-dict";
  let hasVerifier = 1;
}

def Route_CollectOp : Route_Op<"collect", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the collections whose members lie along an axis";
  let description = [{
    One for each position of the axes that the members' axis is nested in, with
    the members there in their order.

    Constraints: (C1) the members have one axis, the result those it is in; (C2)
    the result is a list or set of the members' element type.

    Example:
    ```mlir
    %c = route.collect %x : !route.array<i64 [@skills]> -> !route.array<!route.list<i64>>
    ```
  }];
  let arguments = (ins Route_AnyArray:$members);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$members `:` type($members) `->` type($result) attr-dict";
}

class Route_MembersOp<string mnemonic> : Route_ElementwiseOp<mnemonic> {
  let results = (outs Route_AnyArray:$result);
  let hasVerifier = 1;
}

def Route_InsertOp : Route_MembersOp<"insert"> {
  let summary = "a set with one more member";
  let description = [{
    Members stand in the order of their last insertion; one that is there moves to
    the end. Where there would be more than `bound`, the first ones leave: the
    least recently inserted. An unknown element changes nothing.

    Example:
    ```mlir
    %i = route.insert %s, %x bound 8 : !route.array<!route.set<i64> [@skills]>, !route.array<i64 [@request]>
    ```
  }];
  let arguments = (ins Route_AnyArray:$collection, Route_AnyArray:$element, OptionalAttr<I64Attr>:$bound);
  let assemblyFormat = [{
    $collection `,` $element (`bound` $bound^)? `:` type($collection) `,` type($element) attr-dict
  }];
}

def Route_RemoveOp : Route_MembersOp<"remove"> {
  let summary = "a set without a member";
  let description = [{
    The others keep their order. What is no member, or unknown, changes nothing.

    Example:
    ```mlir
    %r = route.remove %i, %x : !route.array<!route.set<i64> [@skills, @request]>, !route.array<i64 [@request]>
    ```
  }];
  let arguments = (ins Route_AnyArray:$collection, Route_AnyArray:$element);
  let assemblyFormat = "$collection `,` $element `:` type($collection) `,` type($element) attr-dict";
}

def Route_LookupOp : Route_Op<"lookup", [DeclareOpInterfaceMethods<SymbolUserOpInterface>,
    MemoryEffects<[MemRead]>]> {
  let summary = "reads a cell of state with keys";
  let description = [{
    The key of a cell is the tuple of the key operands' elements; axes of theirs
    that the result lacks belong to the key. A key that was never written, or has
    left, reads as the state's initial value. Reading does not count as use.

    Constraint: operands agree with the `keys` of the state.

    Example:
    ```mlir
    %n = route.lookup @n(%t, %x) : (!route.array<!route.text [@request]>, !route.array<i64 [@request]>) -> !route.array<i64 [@request, @acts]>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$state, Variadic<Route_AnyArray>:$keys);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$state `(` $keys `)` attr-dict `:` functional-type($keys, results)";
}

def Route_StoreOp : Route_Op<"store", [DeclareOpInterfaceMethods<SymbolUserOpInterface>,
    MemoryEffects<[MemWrite]>]> {
  let summary = "writes a cell of state with keys, in a handler";
  let description = [{
    As `route.set` for the one cell that scalar keys (and keys whose axes all
    belong to the key) name. The key becomes the most recently used.

    Example:
    ```mlir
    route.store @n(%t, %x), %v : (!route.array<!route.text>, !route.array<i64>) -> !route.array<i64 [@acts]>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$state, Variadic<Route_AnyArray>:$keys, Route_AnyArray:$value);
  let assemblyFormat = [{
    $state `(` $keys `)` `,` $value attr-dict `:` functional-type($keys, $value)
  }];
}

def Route_JoinOp : Route_Op<"join", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "lays values over the parts of a pool end to end";
  let description = [{
    `along` is a pool with `parts`; operand i lies over part i (an operand without
    that axis is the same for all rows of it). The result's axes are the operands'
    others followed by `along`.

    Example:
    ```mlir
    %j = route.join %u, %u along @acts : (!route.array<i1 [@skills]>, !route.array<i1 [@skills]>) -> !route.array<i1 [@acts]>
    ```
  }];
  let arguments = (ins Variadic<Route_AnyArray>:$operands, FlatSymbolRefAttr:$along);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$operands `along` $along attr-dict `:` functional-type($operands, results)";
}

def Route_RingOp : Route_Op<"ring", [Pure]> {
  let summary = "the row that a key falls to on a consistent-hash ring";
  let description = [{
    Each row of `names`, texts over a pool, has `vnodes` points on a ring of 64
    bits: xxh3 of its bytes and the number of the point, little endian in 8 bytes.
    A key's place is xxh3 of its bytes (text as it is, numbers as 8 bytes little
    endian) and `seed`; it falls to the first point at or after it, going round.
    Two rows at one point: the lower one. No rows: no row.

    Example:
    ```mlir
    %g = route.ring %names, %x vnodes 128 seed 1 : !route.array<!route.text [@skills]>, !route.array<i64 [@request]> -> !route.array<!route.ref<@skills> [@request]>
    ```
  }];
  let arguments = (ins Route_AnyArray:$names, Route_AnyArray:$key, I64Attr:$vnodes, I64Attr:$seed);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = [{
    $names `,` $key `vnodes` $vnodes `seed` $seed `:` type($names) `,` type($key) `->` type($result) attr-dict
  }];
  let hasVerifier = 1;
}

#endif
