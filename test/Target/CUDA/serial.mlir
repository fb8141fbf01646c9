// An entry's own code on elements of buffers becomes kernels; scalars, and the branches on them, stay on the device.
// RUN: route-opt %s --route-serialize-loops --route-outline-kernels --route-outline-serial --split-input-file | FileCheck %s

// Each round fills what lies between one offset and the next: a thread for each. Sums along items have a thread for each destination,
// which goes through the items in their order.
// CHECK-LABEL: func.func @parents(
// CHECK-SAME: %[[T:.*]]: index, %[[P:.*]]: index,
// CHECK: arith.subi %[[P]]
// CHECK: %[[GRID:.*]] = arith.ceildivui
// CHECK: launch_func @kernels::@parents_serial_0 blocks in (%[[GRID]]
// CHECK-SAME: threads in (%c128
// CHECK: launch_func @kernels::@parents_serial_1 blocks in
// CHECK-SAME: threads in (%c128
// CHECK-NOT: scf
// CHECK: gpu.func @parents_serial_0
// CHECK: %[[FROM:.*]] = memref.load
// CHECK: %[[TO:.*]] = memref.load
// CHECK: scf.for
// CHECK: memref.store
// CHECK: gpu.func @parents_serial_1
// CHECK: scf.for %[[FLAT:.*]] =
// CHECK: %[[MINE:.*]] = arith.addi {{.*}}
// CHECK: scf.for
// CHECK: %[[OWNER:.*]] = arith.index_cast
// CHECK: %[[IS:.*]] = arith.cmpi eq, %[[OWNER]], %[[MINE]]
// CHECK: scf.if %[[IS]]
// CHECK: arith.addf
func.func @parents(%t: index, %p: index, %x: memref<?xf32>, %offsets: memref<?xi32>, %parent: memref<?xi32>, %sums: memref<?xf32>)
    attributes {route.entry = "route"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %p step %c1 {
    %a = memref.load %offsets[%i] : memref<?xi32>
    %from = arith.index_cast %a : i32 to index
    %n = arith.addi %i, %c1 : index
    %b = memref.load %offsets[%n] : memref<?xi32>
    %to = arith.index_cast %b : i32 to index
    %me = arith.index_cast %i : index to i32
    scf.for %j = %from to %to step %c1 {
      memref.store %me, %parent[%j] : memref<?xi32>
    }
  }
  scf.for %i = %c0 to %t step %c1 {
    %o = memref.load %parent[%i] : memref<?xi32>
    %owner = arith.index_cast %o : i32 to index
    %v = memref.load %x[%i] : memref<?xf32>
    %s = memref.load %sums[%owner] : memref<?xf32>
    %n = arith.addf %s, %v : f32
    memref.store %n, %sums[%owner] : memref<?xf32>
  }
  return
}

// -----
// Columns go to the outside: each thread adds up its own. Where no index tells who writes what, one thread does all.
// CHECK-LABEL: func.func @columns(
// CHECK: launch_func @kernels::@columns_serial_0 {{.*}} threads in (%c128
// CHECK: launch_func @kernels::@columns_serial_1 blocks in (%[[ONE:.*]], %{{.*}}, %{{.*}}) threads in (%{{c1[_0-9]*}},
// CHECK: gpu.func @columns_serial_1
// CHECK: scf.for
// CHECK: scf.while
func.func @columns(%t: index, %x: memref<?x256xf32>, %sums: memref<256xf32>, %table: memref<?xi64>) attributes {route.entry = "route"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c256 = arith.constant 256 : index
  %no = arith.constant -1 : i64
  scf.for %i = %c0 to %t step %c1 {
    scf.for %j = %c0 to %c256 step %c1 {
      %v = memref.load %x[%i, %j] : memref<?x256xf32>
      %s = memref.load %sums[%j] : memref<256xf32>
      %n = arith.addf %s, %v : f32
      memref.store %n, %sums[%j] : memref<256xf32>
    }
  }
  scf.for %i = %c0 to %t step %c1 {
    %free = scf.while (%at = %i) : (index) -> index {
      %v = memref.load %table[%at] : memref<?xi64>
      %full = arith.cmpi ne, %v, %no : i64
      scf.condition(%full) %at : index
    } do {
    ^bb0(%at: index):
      %next = arith.addi %at, %c1 : index
      scf.yield %next : index
    }
    %v = arith.index_cast %i : index to i64
    memref.store %v, %table[%free] : memref<?xi64>
  }
  return
}

// -----
// A loop that ends early runs all its rounds; kernels look at a guard, and return where it is off. What a kernel takes from memory it loads itself,
// a view that starts where only the device knows too.
// CHECK-LABEL: func.func @until(
// CHECK: launch_func @kernels::@until_serial_0
// CHECK: scf.for
// CHECK-NOT: scf.if
// CHECK: launch_func @kernels::@until_serial_1 {{.*}} args(%{{[a-z0-9_]+}} : memref<i1>, %{{[a-z0-9_]+}} : memref<i1>, %[[ON:[a-z0-9_]+]] : memref<i1>
// CHECK: launch_func @kernels::@until_0 {{.*}}%[[ON]] : memref<i1>)
// CHECK: gpu.func @until_0(
// CHECK-SAME: %[[Y:.*]]: memref<?xf32>, %[[ROW:.*]]: memref<i32>, %[[X:.*]]: memref<4x?xf32>, %{{.*}}: index, %[[GUARD:.*]]: memref<i1>)
// CHECK: griddepcontrol wait
// CHECK-NEXT: %[[IS:.*]] = memref.load %[[GUARD]][]
// CHECK-NEXT: scf.if %[[IS]]
// CHECK: memref.load %[[ROW]][]
// CHECK: memref.subview %[[X]]
// CHECK: scf.for
func.func @until(%n: index, %x: memref<4x?xf32>, %row: memref<i32>, %y: memref<?xf32>) attributes {route.entry = "route"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c9 = arith.constant 9 : index
  %no = arith.constant false
  %yes = arith.constant true
  %limit = arith.constant 1.0 : f32
  %end = scf.for %i = %c0 to %c9 step %c1 iter_args(%done = %no) -> (i1) {
    %next = scf.if %done -> (i1) {
      scf.yield %yes : i1
    } else {
      %r = memref.load %row[] : memref<i32>
      %at = arith.index_cast %r : i32 to index
      %line = memref.subview %x[%at, 0] [1, %n] [1, 1] : memref<4x?xf32> to memref<?xf32, strided<[1], offset: ?>>
      linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
          ins(%line : memref<?xf32, strided<[1], offset: ?>>) outs(%y : memref<?xf32>) {
      ^bb0(%a: f32, %b: f32):
        %s = arith.addf %a, %b : f32
        linalg.yield %s : f32
      }
      %first = memref.load %y[%c0] : memref<?xf32>
      %over = arith.cmpf ogt, %first, %limit : f32
      scf.yield %over : i1
    }
    scf.yield %next : i1
  }
  return
}

// -----
// Both branches write to one buffer, each under its own guard: they are of one size, that of an axis.
// CHECK-LABEL: func.func @either(
// CHECK: %[[R:.*]] = memref.alloc(%{{.*}}) {alignment = 64 : i64} : memref<?xf32>
// CHECK: launch_func @kernels::@either_0 {{.*}}%[[R]] : memref<?xf32>, %[[THEN:.*]] : memref<i1>)
// CHECK: launch_func @kernels::@either_1 {{.*}}%[[R]] : memref<?xf32>, %[[ELSE:.*]] : memref<i1>)
// CHECK: launch_func @kernels::@either_2 {{.*}}%[[R]] : memref<?xf32>, %{{.*}} : memref<?xf32>)
func.func @either(%n: index {route.name = "a"}, %c: memref<i1>, %x: memref<?xf32> {route.axes = [@a]}, %y: memref<?xf32>) attributes {route.entry = "route"} {
  %zero = arith.constant 0.0 : f32
  %is = memref.load %c[] : memref<i1>
  %r = scf.if %is -> (memref<?xf32>) {
    %own = memref.alloc(%n) {alignment = 64 : i64} : memref<?xf32>
    linalg.fill ins(%zero : f32) outs(%own : memref<?xf32>)
    scf.yield %own : memref<?xf32>
  } else {
    scf.yield %x : memref<?xf32>
  }
  memref.copy %r, %y : memref<?xf32> to memref<?xf32>
  return
}

// -----
// Rounds of a row program's loop have memory of their own in the workspace, a share for each thread.
// CHECK-LABEL: func.func @items(
// CHECK: %[[BYTES:.*]] = arith.muli %{{.*}}, %{{c64[_0-9]*}} : index
// CHECK: %[[ALL:.*]] = memref.alloc(%{{.*}}) {alignment = 64 : i64} : memref<?xi8>
// CHECK: launch_func @kernels::@items_serial_0
// CHECK-SAME: %[[ALL]] : memref<?xi8>
// CHECK: gpu.func @items_serial_0
// CHECK: %[[THREAD:.*]] = arith.addi
// CHECK: %[[AT:.*]] = arith.muli %[[THREAD]]
// CHECK: memref.view %{{.*}}[%[[AT]]][%{{.*}}] : memref<?xi8> to memref<?xf32>
func.func @items(%n: index, %m: index, %x: memref<?x?xf32>, %y: memref<?xf32>) attributes {route.entry = "route"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %row = memref.alloc(%m) : memref<?xf32>
  scf.for %i = %c0 to %n step %c1 {
    scf.for %j = %c0 to %m step %c1 {
      %v = memref.load %x[%i, %j] : memref<?x?xf32>
      %e = math.absf %v : f32
      memref.store %e, %row[%j] : memref<?xf32>
    }
    %s = scf.for %j = %c0 to %m step %c1 iter_args(%sum = %zero) -> (f32) {
      %v = memref.load %row[%j] : memref<?xf32>
      %t = arith.addf %sum, %v : f32
      scf.yield %t : f32
    }
    memref.store %s, %y[%i] : memref<?xf32>
  } {row.items}
  return
}

// -----
// What one scalar was before becomes another: both are read before either is written.
// CHECK-LABEL: func.func @crosswise(
// CHECK: %[[A:.*]] = memref.alloc() {alignment = 64 : i64} : memref<f32>
// CHECK: %[[B:.*]] = memref.alloc() {alignment = 64 : i64} : memref<f32>
// CHECK: scf.for
// CHECK: launch_func @kernels::@crosswise_serial_1 {{.*}} args(%[[B]] : memref<f32>, %[[OLD:.*]] : memref<f32>)
// CHECK: launch_func @kernels::@crosswise_0
// CHECK: launch_func @kernels::@crosswise_serial_2 {{.*}} args(%{{.*}} : memref<?xf32>, %[[OLD]] : memref<f32>, %[[A]] : memref<f32>, %[[B]] : memref<f32>)
func.func @crosswise(%n: index, %x: memref<?xf32>, %y: memref<?xf32>, %out: memref<2xf32>) attributes {route.entry = "route"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c5 = arith.constant 5 : index
  %first = memref.load %x[%c0] : memref<?xf32>
  %second = memref.load %x[%c1] : memref<?xf32>
  %r:2 = scf.for %i = %c0 to %c5 step %c1 iter_args(%a = %first, %b = %second) -> (f32, f32) {
    linalg.fill ins(%a : f32) outs(%y : memref<?xf32>)
    %s = memref.load %y[%c0] : memref<?xf32>
    %t = arith.addf %s, %b : f32
    scf.yield %b, %t : f32, f32
  }
  memref.store %r#0, %out[%c0] : memref<2xf32>
  memref.store %r#1, %out[%c1] : memref<2xf32>
  return
}

// -----
// A loop that ends before it begins has no blocks.
// CHECK-LABEL: func.func @rest(
// CHECK-SAME: %[[N:.*]]: index
// CHECK: %[[LENGTH:.*]] = arith.subi %[[N]]
// CHECK: %[[SIGNED:.*]] = arith.ceildivsi %[[LENGTH]]
// CHECK: %[[ROUNDS:.*]] = arith.maxsi %[[SIGNED]]
// CHECK: %[[GRID:.*]] = arith.ceildivui %[[ROUNDS]]
// CHECK: launch_func @kernels::@rest_serial_0 blocks in (%[[GRID]]
func.func @rest(%n: index, %x: memref<?xf32>) attributes {route.entry = "route"} {
  %c1 = arith.constant 1 : index
  %z = arith.constant 0.0 : f32
  scf.for %i = %c1 to %n step %c1 {
    memref.store %z, %x[%i] : memref<?xf32>
  }
  return
}

// -----
// Destinations of buffers of different sizes: a thread for each of the larger's.
// CHECK-LABEL: func.func @both(
// CHECK: arith.subi %c8{{(_[0-9]+)?}},
// CHECK: launch_func @kernels::@both_serial_0
// CHECK: gpu.func @both_serial_0
// CHECK: arith.subi %c8{{(_[0-9]+)?}},
// CHECK: arith.cmpi eq
func.func @both(%t: index, %p: memref<?xi32>, %a: memref<4xf32>, %b: memref<8xf32>) attributes {route.entry = "route"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %one = arith.constant 1.0 : f32
  scf.for %i = %c0 to %t step %c1 {
    %o = memref.load %p[%i] : memref<?xi32>
    %w = arith.index_cast %o : i32 to index
    %in = arith.cmpi ult, %w, %c4 : index
    scf.if %in {
      %s = memref.load %a[%w] : memref<4xf32>
      %n = arith.addf %s, %one : f32
      memref.store %n, %a[%w] : memref<4xf32>
    }
    %s2 = memref.load %b[%w] : memref<8xf32>
    %n2 = arith.addf %s2, %one : f32
    memref.store %n2, %b[%w] : memref<8xf32>
  }
  return
}

// -----
// An index of a view tells no element where each round has a view that starts elsewhere: one thread. It does where the view is
// of one row.
// CHECK-LABEL: func.func @views(
// CHECK: launch_func @kernels::@views_serial_0 {{.*}} threads in (%c1{{(_[0-9]+)?}},
// CHECK: launch_func @kernels::@views_serial_1 {{.*}} threads in (%c128
func.func @views(%n: index, %x: memref<?xf32>, %y: memref<?xf32>, %z: memref<4x?xf32>, %row: memref<?xindex>) attributes {route.entry = "route"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %m = arith.subi %n, %c1 : index
  scf.for %i = %c0 to %n step %c1 {
    %off = arith.subi %m, %i : index
    %v = memref.subview %y[%off] [%n] [1] : memref<?xf32> to memref<?xf32, strided<[1], offset: ?>>
    %a = memref.load %x[%i] : memref<?xf32>
    memref.store %a, %v[%i] : memref<?xf32, strided<[1], offset: ?>>
  }
  scf.for %i = %c0 to %n step %c1 {
    %r = memref.load %row[%i] : memref<?xindex>
    %v = memref.subview %z[%r, 0] [1, %n] [1, 1] : memref<4x?xf32> to memref<?xf32, strided<[1], offset: ?>>
    %a = memref.load %x[%i] : memref<?xf32>
    memref.store %a, %v[%i] : memref<?xf32, strided<[1], offset: ?>>
  }
  return
}

// -----
// Destinations that only some rounds have, as those of slots that chose nobody, have a thread each as well.
// CHECK-LABEL: func.func @chosen(
// CHECK: launch_func @kernels::@chosen_serial_0 {{.*}} threads in (%c128
// CHECK: gpu.func @chosen_serial_0
// CHECK: arith.cmpi sge
// CHECK: scf.if
// CHECK: arith.cmpi eq
// CHECK: scf.if
// CHECK: arith.addf
// CHECK: memref.store
func.func @chosen(%p: memref<8x24xi32>, %sums: memref<?xf64>) attributes {route.entry = "route"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %c24 = arith.constant 24 : index
  %none = arith.constant 0 : i32
  %one = arith.constant 1.0 : f64
  scf.for %e = %c0 to %c8 step %c1 {
    scf.for %r = %c0 to %c24 step %c1 {
      %who = memref.load %p[%e, %r] : memref<8x24xi32>
      %some = arith.cmpi sge, %who, %none : i32
      scf.if %some {
        %to = arith.index_cast %who : i32 to index
        %n = memref.load %sums[%to] : memref<?xf64>
        %m = arith.addf %n, %one : f64
        memref.store %m, %sums[%to] : memref<?xf64>
      }
    }
  }
  return
}

// -----
// Counts are the same in any order: all rounds of all loops have a thread each, and add atomically. So is what says yes to anything.
// CHECK-LABEL: func.func @served(
// CHECK: %[[ALL:.*]] = arith.muli
// CHECK: launch_func @kernels::@served_serial_0
// CHECK-SAME: threads in (%c128
// CHECK-NOT: launch_func
// CHECK: gpu.func @served_serial_0
// CHECK: arith.remui
// CHECK: arith.divui
// CHECK: scf.if
// CHECK: llvm.atomicrmw add %{{.*}}, %{{.*}} syncscope("device") monotonic : !llvm.ptr<1>, i64
// CHECK: scf.if %[[SAYS:.*]] {
// CHECK-NEXT: memref.store %true
func.func @served(%k: index, %chosen: memref<8x?xi32>, %late: memref<8x?xi1>, %counts: memref<?xi64>, %any: memref<?xi1>)
    attributes {route.entry = "route"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %none = arith.constant 0 : i32
  scf.for %i = %c0 to %c8 step %c1 {
    scf.for %j = %c0 to %k step %c1 {
      %c = memref.load %chosen[%i, %j] : memref<8x?xi32>
      %is = arith.cmpi sge, %c, %none : i32
      scf.if %is {
        %at = arith.index_cast %c : i32 to index
        %l = memref.load %late[%i, %j] : memref<8x?xi1>
        %x = arith.extui %l : i1 to i64
        %old = memref.load %counts[%at] : memref<?xi64>
        %new = arith.addi %old, %x : i64
        memref.store %new, %counts[%at] : memref<?xi64>
        %before = memref.load %any[%at] : memref<?xi1>
        %after = arith.ori %before, %l : i1
        memref.store %after, %any[%at] : memref<?xi1>
      }
    }
  }
  return
}

// -----
// Where a round reads what others write, or adds and multiplies, the order is seen: one thread goes through them.
// CHECK-LABEL: func.func @running(
// CHECK: launch_func @kernels::@running_serial_0 blocks in ({{.*}}) threads in (%{{c1[_0-9]*}},
// CHECK-NOT: atomicrmw
func.func @running(%t: index, %to: memref<?xi32>, %counts: memref<?xi32>, %place: memref<?xi32>) attributes {route.entry = "route"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1 : i32
  scf.for %i = %c0 to %t step %c1 {
    %o = memref.load %to[%i] : memref<?xi32>
    %at = arith.index_cast %o : i32 to index
    %old = memref.load %counts[%at] : memref<?xi32>
    %new = arith.addi %old, %one : i32
    memref.store %new, %counts[%at] : memref<?xi32>
    %first = memref.load %counts[%c0] : memref<?xi32>
    memref.store %first, %place[%i] : memref<?xi32>
  }
  return
}

// -----
// So it is where two updates begin before either ends: of the same element the last one counts.
// CHECK-LABEL: func.func @crossed(
// CHECK: launch_func @kernels::@crossed_serial_0 blocks in ({{.*}}) threads in (%{{c1[_0-9]*}},
// CHECK-NOT: atomicrmw
func.func @crossed(%t: index, %to: memref<?x2xi32>, %counts: memref<?xi32>) attributes {route.entry = "route"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1 : i32
  scf.for %i = %c0 to %t step %c1 {
    %a = memref.load %to[%i, %c0] : memref<?x2xi32>
    %b = memref.load %to[%i, %c1] : memref<?x2xi32>
    %x = arith.index_cast %a : i32 to index
    %y = arith.index_cast %b : i32 to index
    %p = memref.load %counts[%x] : memref<?xi32>
    %q = memref.load %counts[%y] : memref<?xi32>
    %r = arith.addi %p, %one : i32
    %s = arith.addi %q, %one : i32
    memref.store %r, %counts[%x] : memref<?xi32>
    memref.store %s, %counts[%y] : memref<?xi32>
  }
  return
}
