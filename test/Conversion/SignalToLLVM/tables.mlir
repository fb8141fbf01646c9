// State with keys: calls of the functions of Tables.h, which a module holds itself; keys lie on the stack.
// RUN: route-opt %s -convert-signal-to-llvm | FileCheck %s
// RUN: route-opt %s -convert-signal-to-llvm -convert-scf-to-cf -expand-strided-metadata -convert-arith-to-llvm -finalize-memref-to-llvm -convert-func-to-llvm -convert-cf-to-llvm -reconcile-unrealized-casts | mlir-translate --mlir-to-llvmir | FileCheck %s --check-prefix=IR

// CHECK-LABEL: func.func @table
// CHECK: llvm.alloca
// CHECK: llvm.call @route_text_digest
// CHECK: llvm.call @route_table_find
// CHECK: arith.select
// CHECK: llvm.call @route_table_put
// CHECK: llvm.call @route_table_drop
// CHECK: llvm.call @route_changes_note
func.func @table(%t: !signal.text, %table: memref<64xi64>, %cell: memref<4xf32>, %changes: memref<?xi64>, %at: index) -> index {
  signal.list_changes %changes : memref<?xi64>
  %a, %b = signal.digest %t
  %w = signal.table_find (%a, %b) in %table[%at] of 4 x 1 : memref<64xi64>
  %p = signal.table_put (%a, %b) in %table[%at] of 4 x 1 noting %changes : memref<64xi64>, memref<?xi64>
  signal.table_drop (%a, %b) in %table[%at] of 4 x 1 noting %changes : memref<64xi64>, memref<?xi64>
  signal.note_change %cell in %changes : memref<4xf32>, memref<?xi64>
  return %p : index
}
// CHECK-DAG: llvm.func internal {{.*}}@route_table_put
// CHECK-DAG: llvm.func internal {{.*}}@route_changes_list
// Nothing goes by a name that a spec may have.
// IR-NOT: define internal {{.*}}@{{[^r]}}
// IR: define {{.*}}@table(
// IR-NOT: define internal {{.*}}@{{[^r]}}
