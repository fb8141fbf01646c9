// Code that uses what no library has is a defect, named before the linker speaks of it; an archive and an object need no
// linker to tell.
// UNSUPPORTED: sanitize
// RUN: not route-translate %s -o %t.so 2>&1 | FileCheck %s
// RUN: not route-translate %s -o %t.a 2>&1 | FileCheck %s
// RUN: not test -e %t.a
// CHECK: error: the code uses '__mystery', which a library cannot count on
module {
  route.axis @request <index> {
    route.column @a <input> : !route.array<f32 [@request]>
  }
  llvm.func @__mystery()
  llvm.func @memmove(!llvm.ptr, !llvm.ptr, i64) -> !llvm.ptr
  llvm.func @user(%to: !llvm.ptr, %from: !llvm.ptr, %size: i64) attributes {route.export} {
    llvm.call @__mystery() : () -> ()
    %0 = llvm.call @memmove(%to, %from, %size) : (!llvm.ptr, !llvm.ptr, i64) -> !llvm.ptr
    llvm.return
  }
}
