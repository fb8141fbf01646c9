// Launches go through the table in the call's environment, buffers as the fields of their descriptors.
// RUN: route-opt %s --route-lower-launches | FileCheck %s

module attributes {gpu.container_module} {
  // CHECK-LABEL: func.func @entry
  // CHECK-SAME: %[[ENV:[a-z0-9]+]]: !llvm.ptr
  // The values and the array of their addresses lie on the stack, made once.
  // CHECK: llvm.alloca %{{.*}} x !llvm.struct<(ptr, ptr, i64, i64, i64, i64, i64)>
  // CHECK: llvm.alloca %{{.*}} x !llvm.array<7 x ptr>
  // CHECK: %[[AT:.*]] = llvm.getelementptr %[[ENV]][56]
  // CHECK: %[[TABLE:.*]] = llvm.load %[[AT]]
  // CHECK: %[[FUNCTION:.*]] = llvm.load
  // CHECK: %[[KERNEL:.*]] = llvm.mlir.constant(1 : i32)
  // CHECK: llvm.call %[[FUNCTION]](%[[TABLE]], %[[KERNEL]], %{{.*}}, %{{.*}}, %{{.*}}) : !llvm.ptr, (!llvm.ptr, i32, i64, i32, !llvm.ptr) -> ()
  // CHECK-NOT: gpu.launch_func
  func.func @entry(%x: memref<?x8xf32>, %env: !llvm.ptr) {
    %c1 = arith.constant 1 : index
    %c128 = arith.constant 128 : index
    gpu.launch_func @kernels::@second blocks in (%c1, %c1, %c1) threads in (%c128, %c1, %c1) args(%x : memref<?x8xf32>)
    return
  }
  gpu.module @kernels {
    gpu.func @first(%x: memref<?x8xf32>) kernel {
      gpu.return
    }
    gpu.func @second(%x: memref<?x8xf32>) kernel {
      gpu.return
    }
  }
}
