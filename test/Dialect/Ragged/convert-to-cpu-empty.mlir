// No experts, no columns, no products and no rows are sizes like any other.
// RUN: route-opt %s --convert-ragged-to-cpu=isa=v4-bf16 --canonicalize --cse | FileCheck %s
// RUN: route-emit %s -isa v3 -S | FileCheck %s --check-prefix=ASM

// ASM-DAG: _mlir_ciface_no_columns:
// ASM-DAG: _mlir_ciface_no_products:
// CHECK-LABEL: func.func @no_columns
// CHECK: call @no_columns_pack(%c0, %c0
// CHECK: call @no_columns_matmul(%c0, %c0
func.func @no_columns(%a: memref<?x4xbf16>, %w: memref<1x0x4xbf16>, %p: memref<1x0x2x16x2xbf16>, %y: memref<?x0xf32>)
    attributes {llvm.emit_c_interface} {
  ragged.pack ins(%w : memref<1x0x4xbf16>) outs(%p : memref<1x0x2x16x2xbf16>)
  ragged.matmul rows(%a : memref<?x4xbf16>) weights(%p : memref<1x0x2x16x2xbf16>) depth 4 outs(%y : memref<?x0xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }
  return
}

// The sum of nothing is zero, and the epilogue still runs.
// CHECK-LABEL: func.func private @no_products_matmul
// CHECK: vector.store %cst
func.func @no_products(%a: memref<0x0xf32>, %p: memref<2x1x0x16xf32>, %o: memref<3xi32>, %y: memref<0x5xf32>)
    attributes {llvm.emit_c_interface} {
  ragged.matmul rows(%a : memref<0x0xf32>) offsets(%o : memref<3xi32>) weights(%p : memref<2x1x0x16xf32>) depth 0
      outs(%y : memref<0x5xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }
  return
}

func.func @no_experts(%idx: memref<?x0xi32>, %c: memref<0xi32>, %o: memref<1xi32>, %p: memref<?xi32>) {
  ragged.count ins(%idx : memref<?x0xi32>) outs(%c : memref<0xi32>)
  ragged.offsets ins(%c : memref<0xi32>) outs(%o : memref<1xi32>)
  ragged.permute ins(%idx, %o : memref<?x0xi32>, memref<1xi32>) outs(%p, %idx : memref<?xi32>, memref<?x0xi32>)
  return
}
