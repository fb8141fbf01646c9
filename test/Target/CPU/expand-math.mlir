// Functions become operation sequences: nothing of the math dialect that a
// library would have to supply is left, whatever the shape or element type.
// RUN: route-opt %s --route-expand-math | FileCheck %s
// RUN: route-opt %s --route-expand-math=rounds-bf16 | FileCheck %s --check-prefix=ROUNDS

// CHECK-LABEL: func @vectors
// CHECK-NOT: math.{{exp|log|tanh|erf|rsqrt|powf}}
// CHECK-NOT: row.unary
func.func @vectors(%x: vector<8xf32>) -> vector<8xf32> {
  %0 = math.exp %x fastmath<fast> : vector<8xf32>
  %1 = math.exp2 %0 : vector<8xf32>
  %2 = math.log %1 : vector<8xf32>
  %3 = math.log2 %2 : vector<8xf32>
  %4 = math.tanh %3 : vector<8xf32>
  %5 = math.erf %4 : vector<8xf32>
  %6 = math.rsqrt %5 : vector<8xf32>
  %7 = math.powf %6, %x : vector<8xf32>
  %8 = row.unary sigmoid %7 : vector<8xf32>
  %9 = row.unary silu %8 : vector<8xf32>
  %10 = row.unary gelu_tanh %9 : vector<8xf32>
  %11 = row.unary gelu_erf %10 : vector<8xf32>
  %12 = row.unary softplus %11 : vector<8xf32>
  return %12 : vector<8xf32>
}

// The first steps of exp, and no flag kept.
// CHECK-LABEL: func @exp
// CHECK-SAME: (%[[X:.*]]: f32)
// CHECK: arith.cmpf olt
// CHECK: math.fma
// CHECK-NOT: fastmath
func.func @exp(%x: f32) -> f32 {
  %0 = math.exp %x fastmath<fast> : f32
  return %0 : f32
}

// bf16 computes in f32 and rounds by integer arithmetic, or by the target's instruction.
// ROUNDS-LABEL: func @small
// ROUNDS: arith.extf %{{.*}} : bf16 to f32
// ROUNDS-NOT: arith.trunci
// ROUNDS: arith.truncf %{{.*}} : f32 to bf16
// CHECK-LABEL: func @small
// CHECK: arith.extf %{{.*}} : bf16 to f32
// CHECK-NOT: arith.truncf
// CHECK: arith.trunci %{{.*}} : i32 to i16
// CHECK: arith.bitcast %{{.*}} : i16 to bf16
func.func @small(%x: bf16) -> bf16 {
  %0 = math.tanh %x : bf16
  return %0 : bf16
}

// f64 is computed in f64.
// CHECK-LABEL: func @wide
// CHECK-NOT: math.{{exp|log|tanh|erf|rsqrt|powf}}
// CHECK: math.fma {{.*}} : vector<4xf64>
// CHECK-NOT: row.unary
// CHECK: return
func.func @wide(%x: vector<4xf64>, %y: f64) -> (vector<4xf64>, f64) {
  %0 = math.exp %x : vector<4xf64>
  %1 = row.unary sigmoid %0 : vector<4xf64>
  %2 = math.powf %y, %y : f64
  return %1, %2 : vector<4xf64>, f64
}

// Tensors stay.
// CHECK-LABEL: func @others
// CHECK: math.exp %{{.*}} : tensor<4xf32>
func.func @others(%t: tensor<4xf32>) -> tensor<4xf32> {
  %0 = math.exp %t : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// f64 to bf16 and f16 is f32 rounded to odd, then as from f32: nothing calls a library.
// CHECK-LABEL: func @halves
// CHECK: %[[NEAR:.*]] = arith.truncf %{{.*}} : vector<4xf64> to vector<4xf32>
// CHECK: %[[BACK:.*]] = arith.extf %[[NEAR]]
// CHECK: arith.cmpf one, %[[BACK]]
// CHECK: arith.truncf %{{.*}} : vector<4xf32> to vector<4xf16>
// CHECK-NOT: arith.truncf {{.*}} to bf16
// CHECK: arith.trunci %{{.*}} : i32 to i16
// ROUNDS-LABEL: func @halves
// ROUNDS: arith.truncf %{{.*}} : f64 to f32
// ROUNDS: arith.truncf %{{.*}} : f32 to bf16
func.func @halves(%x: vector<4xf64>, %y: f64) -> (vector<4xf16>, bf16) {
  %0 = arith.truncf %x : vector<4xf64> to vector<4xf16>
  %1 = arith.truncf %y : f64 to bf16
  return %0, %1 : vector<4xf16>, bf16
}

// Whole numbers to bf16: by way of a float that holds them.
// CHECK-LABEL: func @whole
// CHECK: arith.sitofp %{{.*}} : i16 to f32
// CHECK: arith.uitofp %{{.*}} : i32 to f64
// CHECK: arith.cmpi ule
// CHECK: arith.sitofp %{{.*}} : vector<4xi64> to vector<4xf64>
// CHECK-NOT: {{truncf|itofp}} {{.*}} to {{.*}}bf16
// CHECK: return
func.func @whole(%x: i16, %y: i32, %z: vector<4xi64>) -> (bf16, bf16, vector<4xbf16>) {
  %0 = arith.sitofp %x : i16 to bf16
  %1 = arith.uitofp %y : i32 to bf16
  %2 = arith.sitofp %z : vector<4xi64> to vector<4xbf16>
  return %0, %1, %2 : bf16, bf16, vector<4xbf16>
}
