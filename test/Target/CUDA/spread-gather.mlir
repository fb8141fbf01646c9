// Where the order of the slots is there, an item's row is read once and goes to the places of all its slots.
// RUN: route-opt %s --ragged-spread-gather --ragged-fuse-order --convert-ragged-to-kernels | FileCheck %s

// CHECK-LABEL: gpu.func @places_gather_0
// CHECK-SAME: memref<?x64xbf16>, %{{.*}}: memref<?x2xi32>, %{{.*}}: memref<?x64xbf16>
// CHECK: vector.load {{.*}} : memref<?x64xbf16>, vector<8xbf16>
// CHECK-NOT: vector.load
// CHECK-COUNT-2: vector.store {{.*}} : memref<?x64xbf16>, vector<8xbf16>
// CHECK-NOT: vector.store
// CHECK-LABEL: gpu.func @places_gather_1
// CHECK-SAME: memref<?x64xbf16>, %{{.*}}: memref<?xi32>, %{{.*}}: memref<?x64xbf16>
// CHECK-LABEL: gpu.func @unordered_gather_0
// CHECK-SAME: memref<?x64xbf16>, %{{.*}}: memref<?xi32>, %{{.*}}: memref<?x64xbf16>
func.func @places(%x: memref<?x64xbf16>, %idx: memref<?x2xi32>, %c: memref<6xi32>, %o: memref<7xi32>,
                  %perm: memref<?xi32>, %inv: memref<?x2xi32>, %rows: memref<?x64xbf16>, %wide: memref<?x64xbf16>) {
  ragged.count ins(%idx : memref<?x2xi32>) outs(%c : memref<6xi32>)
  ragged.offsets ins(%c : memref<6xi32>) outs(%o : memref<7xi32>)
  ragged.permute ins(%idx, %o : memref<?x2xi32>, memref<7xi32>) outs(%perm, %inv : memref<?xi32>, memref<?x2xi32>)
  ragged.gather ins(%x, %perm : memref<?x64xbf16>, memref<?xi32>) outs(%rows : memref<?x64xbf16>) slots 2
  // A row for each slot: nothing is taken twice.
  ragged.gather ins(%wide, %perm : memref<?x64xbf16>, memref<?xi32>) outs(%rows : memref<?x64xbf16>) slots 1
  return
}
func.func @unordered(%x: memref<?x64xbf16>, %perm: memref<?xi32>, %rows: memref<?x64xbf16>) {
  ragged.gather ins(%x, %perm : memref<?x64xbf16>, memref<?xi32>) outs(%rows : memref<?x64xbf16>) slots 2
  return
}
