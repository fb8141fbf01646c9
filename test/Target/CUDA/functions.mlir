// Exact functions on numbers and vectors go through the conversion of kernels as LLVM's intrinsics, and no library is called.
// RUN: route-opt %s --route-kernels-to-llvm | FileCheck %s --implicit-check-not=__nv
gpu.module @kernels {
  // CHECK-LABEL: llvm.func @scalars
  // CHECK-DAG: llvm.call_intrinsic "llvm.sqrt"(%{{.*}}) : (f32) -> f32
  // CHECK-DAG: llvm.call_intrinsic "llvm.sqrt"(%{{.*}}) : (f64) -> f64
  // CHECK-DAG: llvm.call_intrinsic "llvm.sqrt"(%{{.*}}) : (bf16) -> bf16
  // CHECK-DAG: llvm.call_intrinsic "llvm.fabs"(%{{.*}}) : (f64) -> f64
  // CHECK-DAG: llvm.call_intrinsic "llvm.ceil"(%{{.*}}) : (f64) -> f64
  // CHECK-DAG: llvm.call_intrinsic "llvm.floor"(%{{.*}}) : (f64) -> f64
  // CHECK-DAG: llvm.call_intrinsic "llvm.roundeven"(%{{.*}}) : (f64) -> f64
  // CHECK-DAG: llvm.call_intrinsic "llvm.copysign"(%{{.*}}, %{{.*}}) : (f64, f64) -> f64
  gpu.func @scalars(%x: f32, %y: f64, %h: bf16, %narrow: memref<1xf32>, %half: memref<1xbf16>, %wide: memref<6xf64>) kernel {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %c3 = arith.constant 3 : index
    %c4 = arith.constant 4 : index
    %c5 = arith.constant 5 : index
    %root = math.sqrt %x : f32
    %root64 = math.sqrt %y : f64
    %root16 = math.sqrt %h : bf16
    %size = math.absf %y : f64
    %up = math.ceil %y : f64
    %down = math.floor %y : f64
    %even = math.roundeven %y : f64
    %signed = math.copysign %size, %up : f64
    memref.store %root, %narrow[%c0] : memref<1xf32>
    memref.store %root16, %half[%c0] : memref<1xbf16>
    memref.store %root64, %wide[%c0] : memref<6xf64>
    memref.store %size, %wide[%c1] : memref<6xf64>
    memref.store %up, %wide[%c2] : memref<6xf64>
    memref.store %down, %wide[%c3] : memref<6xf64>
    memref.store %even, %wide[%c4] : memref<6xf64>
    memref.store %signed, %wide[%c5] : memref<6xf64>
    gpu.return
  }
  // CHECK-LABEL: llvm.func @vectors
  // CHECK: llvm.call_intrinsic "llvm.sqrt"(%{{.*}}) : (vector<4xf32>) -> vector<4xf32>
  gpu.func @vectors(%x: vector<4xf32>, %out: memref<4xf32>) kernel {
    %c0 = arith.constant 0 : index
    %root = math.sqrt %x : vector<4xf32>
    vector.store %root, %out[%c0] : memref<4xf32>, vector<4xf32>
    gpu.return
  }
}
