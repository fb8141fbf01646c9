// Tiles that convert-ragged-to-wgmma refuses.
// RUN: not route-opt %s --convert-ragged-to-wgmma="tokens=0" 2>&1 | FileCheck %s
// RUN: not route-opt %s --convert-ragged-to-wgmma="tokens=40" 2>&1 | FileCheck %s
// RUN: not route-opt %s --convert-ragged-to-wgmma="tokens=272" 2>&1 | FileCheck %s
// RUN: route-opt %s --convert-ragged-to-wgmma="tokens=16"
// RUN: route-opt %s --convert-ragged-to-wgmma="tokens=256"
// CHECK: error: tokens is to be a multiple of 16 up to 256
module {}
