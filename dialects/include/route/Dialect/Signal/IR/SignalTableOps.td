// Operations on tables: state with keys, some of which are texts. compiler/include/route/Text/Tables.h has their layout.
#ifndef ROUTE_DIALECT_SIGNAL_IR_SIGNALTABLEOPS_TD
#define ROUTE_DIALECT_SIGNAL_IR_SIGNALTABLEOPS_TD

include "mlir/Interfaces/SideEffectInterfaces.td"
include "route/Dialect/Signal/IR/SignalTypes.td"

def Signal_DigestOp : Op<Signal_Dialect, "digest", [Pure]> {
  let summary = "two words that stand for a text in a key";
  let description = [{
    BLAKE2s of 16 bytes over the bytes of the text: equal for equal texts, and
    nobody knows two others for which it is.

    Example:
    ```mlir
    %a, %b = signal.digest %t
    ```
  }];
  let arguments = (ins Signal_Text:$text);
  let results = (outs I64:$low, I64:$high);
  let assemblyFormat = "$text attr-dict";
}

defvar Signal_TableBound = ConfinedAttr<I64Attr, [IntPositive, IntMaxValue<2147483647>]>;
defvar Signal_TableKeys = ConfinedAttr<I64Attr, [IntPositive]>;
defvar Signal_TableValues = ConfinedAttr<I64Attr, [IntNonNegative]>;

/// An op on the table that begins at word `at` of a buffer: `capacity` keys of as many words as there are
/// operands, each with `values` words.
class Signal_TableOp<string mnemonic, list<Trait> traits> : Op<Signal_Dialect, mnemonic, traits> {
  dag tableArguments = (ins MemRefOf<[I64]>:$table, Index:$at, Variadic<I64>:$key, I64Attr:$capacity, I64Attr:$values);
  let hasVerifier = 1;
}

def Signal_TableFindOp : Signal_TableOp<"table_find", [MemoryEffects<[MemRead]>]> {
  let summary = "where the value of a key stands";
  let description = [{
    The word of the buffer at which the value begins, 0 where the table has no
    such key.

    Example:
    ```mlir
    %w = signal.table_find (%k) in %table[%at] of 64 x 1 : memref<?xi64>
    ```

    Constraints:
    - (T1) there is a key, 1 <= capacity < 2^31, values >= 0.
  }];
  let arguments = tableArguments;
  let results = (outs Index:$word);
  let assemblyFormat = "`(` $key `)` `in` $table `[` $at `]` `of` $capacity `x` $values attr-dict `:` type($table)";
}

def Signal_TablePutOp : Signal_TableOp<"table_put", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "makes a key the newest of a table";
  let description = [{
    As `table_find`, but that a key which is not there becomes a new one, in place
    of the oldest where the table is full. The words of its value are whatever
    was there. What changes is noted in `changes`, the value too.

    Example:
    ```mlir
    %w = signal.table_put (%k) in %table[%at] of 64 x 1 noting %changes : memref<?xi64>, memref<?xi64>
    ```
  }];
  let arguments = !con(tableArguments, (ins MemRefOf<[I64]>:$changes));
  let results = (outs Index:$word);
  let assemblyFormat = [{
    `(` $key `)` `in` $table `[` $at `]` `of` $capacity `x` $values `noting` $changes attr-dict
    `:` type($table) `,` type($changes)
  }];
}

def Signal_TableDropOp : Signal_TableOp<"table_drop", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "removes a key from a table";
  let description = [{
    Example:
    ```mlir
    signal.table_drop (%k) in %table[%at] of 64 x 0 noting %changes : memref<?xi64>, memref<?xi64>
    ```
  }];
  let arguments = !con(tableArguments, (ins MemRefOf<[I64]>:$changes));
  let assemblyFormat = [{
    `(` $key `)` `in` $table `[` $at `]` `of` $capacity `x` $values `noting` $changes attr-dict
    `:` type($table) `,` type($changes)
  }];
}

def Signal_TableNextOp : Op<Signal_Dialect, "table_next", [MemoryEffects<[MemRead]>]> {
  let summary = "the entry of a table that was put in after another";
  let description = [{
    The first one after entry 0, 0 behind the last; and the word of the buffer at
    which its key begins. What a host restores may go in a circle: who walks
    counts, no more than `capacity`.

    Example:
    ```mlir
    %e, %w = signal.table_next %k in %table[%at] of 64 x 2 x 1 : memref<?xi64>
    ```
  }];
  let arguments = (ins I64:$entry, MemRefOf<[I64]>:$table, Index:$at, Signal_TableBound:$capacity, Signal_TableKeys:$keys,
    Signal_TableValues:$values);
  let results = (outs I64:$next, Index:$key);
  let assemblyFormat = [{
    $entry `in` $table `[` $at `]` `of` $capacity `x` $keys `x` $values attr-dict `:` type($table)
  }];
}

def Signal_TableClearOp : Op<Signal_Dialect, "table_clear", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "removes all keys from a table";
  let description = [{
    Example:
    ```mlir
    signal.table_clear %table[%at] of 64 x 2 x 1 noting %changes : memref<?xi64>, memref<?xi64>
    ```
  }];
  let arguments = (ins MemRefOf<[I64]>:$table, Index:$at, Signal_TableBound:$capacity, Signal_TableKeys:$keys, Signal_TableValues:$values,
    MemRefOf<[I64]>:$changes);
  let assemblyFormat = [{
    $table `[` $at `]` `of` $capacity `x` $keys `x` $values `noting` $changes attr-dict
    `:` type($table) `,` type($changes)
  }];
}

def Signal_ListChangesOp : Op<Signal_Dialect, "list_changes", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "begins the list of what an event changes";
  let description = [{
    From here on every change of state is noted. Nobody may have asked: then
    nothing is kept.

    Example:
    ```mlir
    signal.list_changes %changes : memref<?xi64>
    ```
  }];
  let arguments = (ins MemRefOf<[I64]>:$changes);
  let assemblyFormat = "$changes attr-dict `:` type($changes)";
}

def Signal_NoteChangeOp : Op<Signal_Dialect, "note_change", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "notes that a buffer of state changes";
  let description = [{
    One element, or all of a buffer of static size. `index` counts the elements
    of the buffer, which is contiguous, from its start.

    Example:
    ```mlir
    signal.note_change %table[%at] in %changes : memref<?xi64>, memref<?xi64>
    ```

    Constraints:
    - (N1) without an index the buffer has a static shape.
  }];
  let arguments = (ins AnyMemRef:$buffer, Optional<Index>:$index, MemRefOf<[I64]>:$changes);
  let assemblyFormat = "$buffer (`[` $index^ `]`)? `in` $changes attr-dict `:` type($buffer) `,` type($changes)";
  let hasVerifier = 1;
}

#endif // ROUTE_DIALECT_SIGNAL_IR_SIGNALTABLEOPS_TD
