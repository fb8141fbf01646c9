// Launches go through the table in the call's environment, buffers as the fields of their descriptors.
// RUN: route-opt %s --route-lower-launches --split-input-file | FileCheck %s

module attributes {gpu.container_module} {
  // CHECK: llvm.mlir.global internal constant @route.places.0(dense<[0, 0, 1, 2, 3, 3, 4]> : tensor<7xi32>)
  // CHECK-NOT: @route.places.1
  // CHECK-LABEL: func.func @entry
  // CHECK-SAME: %[[ENV:[a-z0-9]+]]: !llvm.ptr
  // The values lie on the stack, each once: both of a buffer's pointers are the one to its data, and its offset, its
  // columns and its strides are numbers. Here they are data, 0, rows, 8 and 1.
  // CHECK: llvm.alloca %{{.*}} x !llvm.array<5 x i64> {alignment = 64 : i64}
  // CHECK: %[[VALUES:.*]] = llvm.alloca %{{.*}} x !llvm.array<5 x i64> {alignment = 64 : i64}
  // CHECK: %[[DATA:.*]] = llvm.extractvalue %[[X:.*]][1]
  // CHECK: llvm.store %[[DATA]]
  // CHECK: %[[ZERO:.*]] = llvm.mlir.constant(0 : i64)
  // CHECK: llvm.store %[[ZERO]]
  // CHECK: %[[ROWS:.*]] = llvm.extractvalue %[[X]][3, 0]
  // CHECK: llvm.store %[[ROWS]]
  // CHECK: %[[EIGHT:.*]] = llvm.mlir.constant(8 : i64)
  // CHECK: llvm.store %[[EIGHT]]
  // CHECK: %[[ONE:.*]] = llvm.mlir.constant(1 : i64)
  // CHECK: llvm.store %[[ONE]]
  // CHECK: %[[KERNEL:.*]] = llvm.mlir.constant(1 : i32)
  // CHECK: %[[PLACES:.*]] = llvm.mlir.addressof @route.places.0
  // CHECK: %[[COUNT:.*]] = llvm.mlir.constant(7 : i64)
  // CHECK: %[[AT:.*]] = llvm.getelementptr %[[ENV]][56]
  // CHECK: %[[TABLE:.*]] = llvm.load %[[AT]]
  // CHECK: call @route.launch(%[[TABLE]], %[[KERNEL]], %{{.*}}, %{{.*}}, %[[VALUES]], %[[PLACES]], %[[COUNT]])
  // The same places are one table.
  // CHECK: llvm.mlir.addressof @route.places.0
  // CHECK: call @route.launch(
  // CHECK-NOT: gpu.launch_func
  func.func @entry(%x: memref<?x8xf32>, %env: !llvm.ptr) {
    %c1 = arith.constant 1 : index
    %c128 = arith.constant 128 : index
    gpu.launch_func @kernels::@second blocks in (%c1, %c1, %c1) threads in (%c128, %c1, %c1) args(%x : memref<?x8xf32>)
    gpu.launch_func @kernels::@first blocks in (%c1, %c1, %c1) threads in (%c128, %c1, %c1) args(%x : memref<?x8xf32>)
    return
  }
  // A function makes the addresses of all arguments and hands them to the launcher.
  // CHECK-LABEL: func.func private @route.launch
  // CHECK-SAME: (%[[LAUNCHER:.*]]: !llvm.ptr, %[[NUMBER:.*]]: i32, %[[GRID:.*]]: i64, %[[BLOCK:.*]]: i32, %[[MEMORY:.*]]: !llvm.ptr, %[[TABLE:.*]]: !llvm.ptr, %[[LENGTH:.*]]: i64)
  // CHECK-SAME: passthrough = ["noinline"]
  // CHECK: %[[ADDRESSES:.*]] = llvm.alloca %{{.*}} x !llvm.array<7 x ptr>
  // CHECK: scf.for
  // CHECK: %[[PLACE:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i32
  // CHECK: %[[VALUE:.*]] = llvm.getelementptr %[[MEMORY]][%[[PLACE]]] : (!llvm.ptr, i32) -> !llvm.ptr, i64
  // CHECK: llvm.store %[[VALUE]]
  // CHECK: %[[FUNCTION:.*]] = llvm.load
  // CHECK: llvm.call %[[FUNCTION]](%[[LAUNCHER]], %[[NUMBER]], %[[GRID]], %[[BLOCK]], %[[ADDRESSES]]) : !llvm.ptr, (!llvm.ptr, i32, i64, i32, !llvm.ptr) -> ()
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
  // CHECK: %[[VALUES:.*]] = llvm.alloca %{{.*}} x !llvm.array<16 x i64> {alignment = 64 : i64}
  // CHECK: %[[MAP:.*]] = llvm.getelementptr %[[VALUES]][0]
  // CHECK: %[[BF16:.*]] = llvm.mlir.constant(11 : i32)
  // CHECK: llvm.store %[[BF16]]
  // CHECK: %[[AT:.*]] = llvm.getelementptr %{{.*}}[16]
  // CHECK: %[[MAKE:.*]] = llvm.load %[[AT]]
  // CHECK: llvm.call %[[MAKE]](%{{.*}}, %[[REQUEST]], %[[MAP]]) : !llvm.ptr, (!llvm.ptr, !llvm.ptr, !llvm.ptr) -> ()
  // CHECK: call @route.launch({{.*}}, %[[VALUES]],
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
