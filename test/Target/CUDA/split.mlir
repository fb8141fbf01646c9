// What only the host can do of an entry becomes a function, and the entry uploads what it gives.
// RUN: route-opt %s --route-split-host --canonicalize --cse --split-input-file | FileCheck %s


// Two answers and a scalar cross; `length` is read by both parts, `x` by the GPU alone.
// CHECK-LABEL: func.func @pick
// CHECK-SAME: %[[N:.*]]: index
// CHECK-SAME: %[[TEXT:[a-z0-9]+]]: memref<?x!signal.text> {route.axes = [@request], route.name = "prompt", route.on_host, route.role = "input"}
// CHECK-SAME: %[[LENGTH:[a-z0-9]+]]: memref<?xi64> {route.axes = [@request], route.name = "length", route.on_host, route.role = "input"}
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<?x8xf32> {route.axes = [@request, @hidden], route.name = "x", route.role = "input"}
// CHECK-SAME: %[[HOST:[a-z0-9]+]]: memref<?xi8> {route.role = "host"}
// CHECK-SAME: route.has_host_part
// CHECK: %[[MEMORY:.*]] = memref.alloc(%{{.*}}) : memref<?xi8>
// CHECK: gpu.memcpy %[[MEMORY]], %[[HOST]]
// CHECK: %[[VIEW:.*]] = memref.view %[[MEMORY]][%c0][%[[N]]] : memref<?xi8> to memref<?xi1>
// CHECK: %[[CODE:.*]] = bufferization.to_tensor %[[VIEW]]
// A scalar is read where the host left it.
// CHECK: %[[AT:.*]] = memref.view %[[HOST]][%{{.*}}][] : memref<?xi8> to memref<i1>
// CHECK: memref.load %[[AT]][]
// CHECK: %[[SIZE:.*]] = memref.dim %[[LENGTH]]
// CHECK: %[[COPY:.*]] = memref.alloc(%[[SIZE]]) : memref<?xi64>
// CHECK: gpu.memcpy %[[COPY]], %[[LENGTH]]
// CHECK: bufferization.to_tensor %[[COPY]]
// CHECK: linalg.generic
// CHECK-SAME: "reduction"
// CHECK-NOT: signal.
// CHECK: return

// CHECK: func.func private @pick.host
// CHECK-SAME: route.host_part_of = @pick
// CHECK: %[[OWN:.*]] = memref.alloc(%{{.*}}) {route.kept} : memref<?xi8>
// CHECK: signal.match
// CHECK-NOT: "reduction"
// CHECK-DAG: bufferization.materialize_in_destination %{{.*}} in restrict writable %{{.*}} : (tensor<?xi1>, memref<?xi1>)
// CHECK-DAG: memref.store %{{.*}}, %{{.*}}[] : memref<i1>
// CHECK: return
#rows = affine_map<(d0, d1) -> (d0, d1)>
#items = affine_map<(d0, d1) -> (d0)>
#one = affine_map<(d0) -> (d0)>
func.func @pick(%n: index {route.name = "request", route.role = "size"},
    %prompt: memref<?x!signal.text> {route.axes = [@request], route.name = "prompt", route.role = "input"},
    %length: memref<?xi64> {route.axes = [@request], route.name = "length", route.role = "input"},
    %x: memref<?x8xf32> {route.axes = [@request, @hidden], route.name = "x", route.role = "input"},
    %out: memref<?xf32> {route.axes = [@request], route.name = "pick", route.role = "output"}) attributes {route.entry = @route.pick} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %t = bufferization.to_tensor %prompt restrict : memref<?x!signal.text> to tensor<?x!signal.text>
  %l = bufferization.to_tensor %length restrict : memref<?xi64> to tensor<?xi64>
  %xs = bufferization.to_tensor %x restrict : memref<?x8xf32> to tensor<?x8xf32>
  %e = tensor.empty(%n) : tensor<?xi1>
  %code = scf.for %i = %c0 to %n step %c1 iter_args(%to = %e) -> (tensor<?xi1>) {
    %text = tensor.extract %t[%i] : tensor<?x!signal.text>
    %most = tensor.extract %l[%i] : tensor<?xi64>
    %bytes = signal.measure bytes %text
    %short = arith.cmpi slt, %bytes, %most : i64
    %match = signal.match <any [<regex "def ">]> %text : i1
    %both = arith.andi %short, %match : i1
    %next = tensor.insert %both into %to[%i] : tensor<?xi1>
    scf.yield %next : tensor<?xi1>
  }
  %first = tensor.extract %code[%c0] : tensor<?xi1>
  %o = tensor.empty(%n) : tensor<?xf32>
  %f = linalg.fill ins(%zero : f32) outs(%o : tensor<?xf32>) -> tensor<?xf32>
  %sum = linalg.generic {indexing_maps = [#rows, #items, #items, #items], iterator_types = ["parallel", "reduction"]}
      ins(%xs, %code, %l : tensor<?x8xf32>, tensor<?xi1>, tensor<?xi64>) outs(%f : tensor<?xf32>) {
  ^bb0(%a: f32, %c: i1, %k: i64, %s: f32):
    %w = arith.sitofp %k : i64 to f32
    %p = arith.mulf %a, %w : f32
    %next = arith.addf %s, %p : f32
    %v = arith.select %c, %next, %s : f32
    linalg.yield %v : f32
  } -> tensor<?xf32>
  %r = scf.if %first -> (tensor<?xf32>) {
    scf.yield %sum : tensor<?xf32>
  } else {
    scf.yield %f : tensor<?xf32>
  }
  bufferization.materialize_in_destination %r in restrict writable %out : (tensor<?xf32>, memref<?xf32>) -> ()
  return
}

// -----
// Loops over elements of what the host has anyway go along: where lists of texts begin. Offsets of lists of numbers
// stay.
// CHECK-LABEL: func.func @lists
// CHECK-SAME: route.name = "tags.offsets", route.of = @tags, route.on_host, route.role = "offsets"
// CHECK-SAME: route.name = "marks.offsets", route.of = @marks, route.role = "offsets"
// CHECK: scf.for
// CHECK: return
// CHECK: func.func private @lists.host
// CHECK-COUNT-2: scf.for
// CHECK-NOT: scf.for
#elements = affine_map<(d0) -> (d0)>
#scalar = affine_map<(d0) -> ()>
func.func @lists(%n: index {route.name = "request", route.role = "size"},
    %m: index {route.name = "tags", route.role = "size"},
    %tags: memref<?x!signal.text> {route.axes = [@tags], route.name = "tags", route.role = "input"},
    %begin: memref<?xi32> {route.axes = [@request], route.name = "tags.offsets", route.of = @tags, route.role = "offsets"},
    %others: memref<?xi32> {route.axes = [@request], route.name = "marks.offsets", route.of = @marks, route.role = "offsets"},
    %x: memref<?xf32> {route.axes = [@request], route.name = "x", route.role = "input"},
    %out: memref<f32> {route.axes = [], route.name = "lists", route.role = "output"}) attributes {route.entry = @route.lists} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %t = bufferization.to_tensor %tags restrict : memref<?x!signal.text> to tensor<?x!signal.text>
  %b = bufferization.to_tensor %begin restrict : memref<?xi32> to tensor<?xi32>
  %ob = bufferization.to_tensor %others restrict : memref<?xi32> to tensor<?xi32>
  %xs = bufferization.to_tensor %x restrict : memref<?xf32> to tensor<?xf32>
  %es = tensor.empty(%m) : tensor<?xi64>
  %sizes = scf.for %i = %c0 to %m step %c1 iter_args(%to = %es) -> (tensor<?xi64>) {
    %text = tensor.extract %t[%i] : tensor<?x!signal.text>
    %bytes = signal.measure bytes %text
    %next = tensor.insert %bytes into %to[%i] : tensor<?xi64>
    scf.yield %next : tensor<?xi64>
  }
  %ei = tensor.empty(%n) : tensor<?xi32>
  %mine = scf.for %i = %c0 to %n step %c1 iter_args(%to = %ei) -> (tensor<?xi32>) {
    %at = tensor.extract %b[%i] : tensor<?xi32>
    %next = tensor.insert %at into %to[%i] : tensor<?xi32>
    scf.yield %next : tensor<?xi32>
  }
  %theirs = scf.for %i = %c0 to %n step %c1 iter_args(%to = %ei) -> (tensor<?xi32>) {
    %at = tensor.extract %ob[%i] : tensor<?xi32>
    %next = tensor.insert %at into %to[%i] : tensor<?xi32>
    scf.yield %next : tensor<?xi32>
  }
  %o = tensor.empty() : tensor<f32>
  %f = linalg.fill ins(%zero : f32) outs(%o : tensor<f32>) -> tensor<f32>
  %sum = linalg.generic {indexing_maps = [#elements, #elements, #elements, #scalar], iterator_types = ["reduction"]}
      ins(%xs, %mine, %theirs : tensor<?xf32>, tensor<?xi32>, tensor<?xi32>) outs(%f : tensor<f32>) {
  ^bb0(%a: f32, %p: i32, %q: i32, %s: f32):
    %d = arith.addi %p, %q : i32
    %w = arith.sitofp %d : i32 to f32
    %v = arith.mulf %a, %w : f32
    %next = arith.addf %s, %v : f32
    linalg.yield %next : f32
  } -> tensor<f32>
  %most = linalg.generic {indexing_maps = [#elements, #scalar], iterator_types = ["reduction"]}
      ins(%sizes : tensor<?xi64>) outs(%sum : tensor<f32>) {
  ^bb0(%a: i64, %s: f32):
    %w = arith.sitofp %a : i64 to f32
    %next = arith.addf %s, %w : f32
    linalg.yield %next : f32
  } -> tensor<f32>
  bufferization.materialize_in_destination %most in restrict writable %out : (tensor<f32>, memref<f32>) -> ()
  return
}

// -----

// What a branch gives has the size of its sides where they have the same; these have the same axis.
// CHECK-LABEL: func.func @same
// CHECK-SAME: %[[N:.*]]: index
// CHECK: memref.store %[[DIM:.*]], %
// CHECK-NOT: tensor.dim
// CHECK: return
// Here they do not: it is the branch's, and neither side's.
// CHECK-LABEL: func.func @differ
// CHECK: %[[EITHER:.*]] = {{scf.if|arith.select}}
// CHECK: %[[SIZE:.*]] = tensor.dim %[[EITHER]]
// CHECK: memref.store %[[SIZE]], %
func.func @same(%n: index {route.name = "a", route.role = "size"},
    %x: memref<?xf32> {route.axes = [@a], route.name = "x", route.role = "input"},
    %y: memref<?xf32> {route.axes = [@a], route.name = "y", route.role = "input"},
    %k: memref<i1> {route.axes = [], route.name = "k", route.role = "input"},
    %out: memref<index> {route.axes = [], route.name = "o", route.role = "output"}) attributes {route.entry = @route.same} {
  %c0 = arith.constant 0 : index
  %xs = bufferization.to_tensor %x restrict : memref<?xf32> to tensor<?xf32>
  %ys = bufferization.to_tensor %y restrict : memref<?xf32> to tensor<?xf32>
  %c = memref.load %k[] : memref<i1>
  %r = scf.if %c -> (tensor<?xf32>) {
    scf.yield %xs : tensor<?xf32>
  } else {
    scf.yield %ys : tensor<?xf32>
  }
  %d = tensor.dim %r, %c0 : tensor<?xf32>
  memref.store %d, %out[] : memref<index>
  return
}
func.func @differ(%n: index {route.name = "a", route.role = "size"}, %m: index {route.name = "b", route.role = "size"},
    %x: memref<?xf32> {route.axes = [@a], route.name = "x", route.role = "input"},
    %y: memref<?xf32> {route.axes = [@b], route.name = "y", route.role = "input"},
    %k: memref<i1> {route.axes = [], route.name = "k", route.role = "input"},
    %out: memref<index> {route.axes = [], route.name = "o", route.role = "output"}) attributes {route.entry = @route.differ} {
  %c0 = arith.constant 0 : index
  %xs = bufferization.to_tensor %x restrict : memref<?xf32> to tensor<?xf32>
  %ys = bufferization.to_tensor %y restrict : memref<?xf32> to tensor<?xf32>
  %c = memref.load %k[] : memref<i1>
  %r = scf.if %c -> (tensor<?xf32>) {
    scf.yield %xs : tensor<?xf32>
  } else {
    scf.yield %ys : tensor<?xf32>
  }
  %d = tensor.dim %r, %c0 : tensor<?xf32>
  memref.store %d, %out[] : memref<index>
  return
}
