// Launches go through the table in the call's environment, buffers as the fields of their descriptors.
// RUN: route-opt %s --route-lower-launches --split-input-file | FileCheck %s

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

// -----
// A buffer that a kernel reads in boxes becomes a tensor map, which the runtime makes from its address, sizes and
// strides; the kernel gets the map itself.
module attributes {gpu.container_module} {
  // CHECK-LABEL: func.func @boxes
  // CHECK: %[[REQUEST:.*]] = llvm.alloca %{{.*}} x !llvm.struct<(ptr, i64, i32, i32, array<5 x i64>, array<5 x i64>, array<5 x i32>, i32)>
  // CHECK: %[[MAP:.*]] = llvm.alloca %{{.*}} x !llvm.array<128 x i8> {alignment = 64 : i64}
  // CHECK: %[[BF16:.*]] = llvm.mlir.constant(11 : i32)
  // CHECK: llvm.store %[[BF16]]
  // CHECK: %[[AT:.*]] = llvm.getelementptr %{{.*}}[16]
  // CHECK: %[[MAKE:.*]] = llvm.load %[[AT]]
  // CHECK: llvm.call %[[MAKE]](%{{.*}}, %[[REQUEST]], %[[MAP]]) : !llvm.ptr, (!llvm.ptr, !llvm.ptr, !llvm.ptr) -> ()
  // CHECK: llvm.store %[[MAP]]
  func.func @boxes(%x: memref<?x8xbf16>, %env: !llvm.ptr) {
    %c1 = arith.constant 1 : index
    %c128 = arith.constant 128 : index
    gpu.launch_func @kernels::@boxes_0 blocks in (%c1, %c1, %c1) threads in (%c128, %c1, %c1) args(%x : memref<?x8xbf16>)
    return
  }
  gpu.module @kernels {
    llvm.func @boxes_0(%x: !llvm.ptr {llvm.byval = !llvm.array<128 x i8>, route.tensor_map = array<i64: 16, 64>}) attributes {gpu.kernel, nvvm.kernel} {
      llvm.return
    }
  }
}

// -----
// Copies from the host go through the table too: to, from and the bytes between.
module attributes {gpu.container_module} {
  // CHECK-LABEL: func.func @upload
  // CHECK: %[[TO:.*]] = builtin.unrealized_conversion_cast %arg0
  // CHECK: %[[TOAT:.*]] = llvm.getelementptr
  // CHECK: %[[SIZE:.*]] = llvm.extractvalue %[[TO]][3, 0]
  // CHECK: %[[ROWS:.*]] = llvm.mul %{{.*}}, %[[SIZE]]
  // CHECK: %[[BYTES:.*]] = llvm.mul %[[ROWS]]
  // CHECK: %[[FROMAT:.*]] = llvm.getelementptr
  // CHECK: %[[PLACE:.*]] = llvm.getelementptr %{{.*}}[24]
  // CHECK: %[[FUNCTION:.*]] = llvm.load %[[PLACE]]
  // CHECK: llvm.call %[[FUNCTION]](%{{.*}}, %[[TOAT]], %[[FROMAT]], %[[BYTES]]) : !llvm.ptr, (!llvm.ptr, !llvm.ptr, !llvm.ptr, i64) -> ()
  // CHECK-NOT: gpu.memcpy
  func.func @upload(%to: memref<?x8xi1>, %from: memref<?x8xi1>, %env: !llvm.ptr) {
    gpu.memcpy %to, %from : memref<?x8xi1>, memref<?x8xi1>
    return
  }
  gpu.module @kernels {
  }
}
