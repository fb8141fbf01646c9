// One test for each constraint of the row dialect.
// RUN: route-opt %s --split-input-file --verify-diagnostics

func.func @c1_items(%a: tensor<4x8xf32>, %b: tensor<5xf32>) {
  // expected-error @+1 {{output 0 has 5 items, expected 4}}
  %0 = row.program ins(%a : tensor<4x8xf32>) outs(%b : tensor<5xf32>) {
  ^bb0(%r: tensor<8xf32>):
    %s = row.sum butterfly %r : tensor<8xf32> -> tensor<f32>
    row.yield %s : tensor<f32>
  } -> tensor<5xf32>
  return
}

// -----

func.func @c1_rank(%a: tensor<f32>, %b: tensor<5xf32>) {
  // expected-error @+1 {{input 0 has no item dimension}}
  %0 = row.program ins(%a : tensor<f32>) outs(%b : tensor<5xf32>) {
  ^bb0(%r: tensor<f32>):
    row.yield %r : tensor<f32>
  } -> tensor<5xf32>
  return
}

// -----

func.func @c1_unknown(%a: tensor<4xi32>, %b: tensor<4xi32>) {
  // expected-error @+1 {{has neither inputs nor outputs}}
  %0 = row.program uniform(%a : tensor<4xi32>) acc(%b : tensor<4xi32>) {
  ^bb0(%r: tensor<4xi32>):
    row.yield %r : tensor<4xi32>
  } -> tensor<4xi32>
  return
}

// -----

func.func @c2_arguments(%a: tensor<4x8xf32>, %b: tensor<4x8xf32>) {
  // expected-error @+1 {{body argument 0 has type 'tensor<4x8xf32>', expected 'tensor<8xf32>'}}
  %0 = row.program ins(%a : tensor<4x8xf32>) outs(%b : tensor<4x8xf32>) {
  ^bb0(%r: tensor<4x8xf32>):
    row.yield %r : tensor<4x8xf32>
  } -> tensor<4x8xf32>
  return
}

// -----

func.func @c2_number(%a: tensor<4x8xf32>, %b: tensor<4x8xf32>) {
  // expected-error @+1 {{body has 2 arguments, expected 1}}
  %0 = row.program ins(%a : tensor<4x8xf32>) outs(%b : tensor<4x8xf32>) {
  ^bb0(%r: tensor<8xf32>, %s: tensor<8xf32>):
    row.yield %r : tensor<8xf32>
  } -> tensor<4x8xf32>
  return
}

// -----

func.func @c3_number(%a: tensor<4x8xf32>, %b: tensor<4x8xf32>) {
  %0 = row.program ins(%a : tensor<4x8xf32>) outs(%b : tensor<4x8xf32>) {
  ^bb0(%r: tensor<8xf32>):
    // expected-error @+1 {{gives 2 values, expected 1}}
    row.yield %r, %r : tensor<8xf32>, tensor<8xf32>
  } -> tensor<4x8xf32>
  return
}

// -----

func.func @c3_type(%a: tensor<4x8xf32>, %b: tensor<4x6xf32>) {
  %0 = row.program ins(%a : tensor<4x8xf32>) outs(%b : tensor<4x6xf32>) {
  ^bb0(%r: tensor<8xf32>):
    // expected-error @+1 {{value 0 has type 'tensor<8xf32>', expected 'tensor<6xf32>'}}
    row.yield %r : tensor<8xf32>
  } -> tensor<4x6xf32>
  return
}

// -----

func.func @c4(%a: tensor<4x8xf32>, %b: memref<4x8xf32>) {
  // expected-error @+1 {{results differ from the types}}
  %0 = row.program ins(%a : tensor<4x8xf32>) outs(%b : memref<4x8xf32>) {
  ^bb0(%r: tensor<8xf32>):
    row.yield %r : tensor<8xf32>
  } -> tensor<4x8xf32>
  return
}

// -----

func.func @c5(%a: tensor<4x8xindex>, %b: tensor<8xindex>) {
  // expected-error @+1 {{accumulates elements that are neither integers nor floating point}}
  %0 = row.program ins(%a : tensor<4x8xindex>) acc(%b : tensor<8xindex>) {
  ^bb0(%r: tensor<8xindex>):
    row.yield %r : tensor<8xindex>
  } -> tensor<8xindex>
  return
}

// -----

func.func @choose_c1(%k: tensor<8xf32>, %m: tensor<9xi1>) {
  // expected-error @+1 {{mask has type 'tensor<9xi1>', expected the shape of 'tensor<8xf32>'}}
  %0:2 = row.choose by(%k : tensor<8xf32>) where(%m : tensor<9xi1>) : tensor<2xi32>, tensor<i32>
  return
}

// -----

func.func @choose_c2_batch(%k: tensor<4x8xf32>) {
  // expected-error @+1 {{do not have the leading dimensions}}
  %0:2 = row.choose by(%k : tensor<4x8xf32>) : tensor<2xi32>, tensor<4xi32>
  return
}

// -----

func.func @choose_c2_k(%k: tensor<8xf32>) {
  // expected-error @+1 {{chooses 9 of 8 candidates}}
  %0:2 = row.choose by(%k : tensor<8xf32>) : tensor<9xi32>, tensor<i32>
  return
}

// -----

func.func @choose_c2_unknown(%k: tensor<8xf32>) {
  // expected-error @+1 {{an unknown number of indices for 8 candidates}}
  %0:2 = row.choose by(%k : tensor<8xf32>) : tensor<?xi32>, tensor<i32>
  return
}

// -----

func.func @choose_c3(%k: tensor<4x8xf32>, %c: tensor<8xi32>) {
  // expected-error @+1 {{count has type 'tensor<8xi32>', expected rank 0 or the leading dimensions}}
  %0:2 = row.choose by(%k : tensor<4x8xf32>) count(%c : tensor<8xi32>) : tensor<4x2xi32>, tensor<4xi32>
  return
}

// -----

func.func @choose_c4(%c: tensor<i32>) {
  // expected-error @+1 {{has neither keys nor a mask}}
  %0:2 = row.choose count(%c : tensor<i32>) : tensor<2xi32>, tensor<i32>
  return
}

// -----

func.func @choose_c5(%k: tensor<8xf32>) {
  // expected-error @+1 {{has 2 directions for 1 keys}}
  %0:2 = row.choose by(%k : tensor<8xf32>) up [true, false] : tensor<2xi32>, tensor<i32>
  return
}

// -----

func.func @take_c1(%v: tensor<4x8xf32>, %i: tensor<3x2xi32>) {
  // expected-error @+1 {{have neither rank 1 nor the leading dimensions of the indices}}
  %0 = row.take %v[%i] : tensor<4x8xf32>, tensor<3x2xi32> -> tensor<3x2xf32>
  return
}

// -----

func.func @take_c2(%v: tensor<8xf32>, %i: tensor<2xi32>) {
  // expected-error @+1 {{result has type 'tensor<2xi32>'}}
  %0 = row.take %v[%i] : tensor<8xf32>, tensor<2xi32> -> tensor<2xi32>
  return
}

// -----

func.func @contains_c1(%i: tensor<3x2xi32>) {
  // expected-error @+1 {{does not have the leading dimensions of the indices}}
  %0 = row.contains %i : tensor<3x2xi32> -> tensor<4x8xi1>
  return
}

// -----

func.func @tally_c1(%i: tensor<2xi32>) {
  // expected-error @+1 {{result has rank 2, expected 1}}
  %0 = row.tally %i : tensor<2xi32> -> tensor<4x8xi32>
  return
}

// -----

func.func @sum_c1(%v: tensor<4x8xf32>) {
  // expected-error @+1 {{result has type 'tensor<8xf32>', expected the leading dimensions}}
  %0 = row.sum sequential %v : tensor<4x8xf32> -> tensor<8xf32>
  return
}
