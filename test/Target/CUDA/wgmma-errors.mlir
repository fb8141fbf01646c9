// Tiles that convert-ragged-to-wgmma refuses.
// RUN: not route-opt %s --convert-ragged-to-wgmma="tokens=8" 2>&1 | FileCheck %s
// RUN: not route-opt %s --convert-ragged-to-wgmma="tokens=40" 2>&1 | FileCheck %s
// RUN: not route-opt %s --convert-ragged-to-wgmma="tokens=272" 2>&1 | FileCheck %s
// RUN: route-opt %s --convert-ragged-to-wgmma="tokens=16"
// RUN: route-opt %s --convert-ragged-to-wgmma="tokens=256"
// RUN: not route-opt %s --convert-ragged-to-wgmma="splits=3" 2>&1 | FileCheck %s --check-prefix=SPLITS
// RUN: not route-opt %s --convert-ragged-to-wgmma="splits=16" 2>&1 | FileCheck %s --check-prefix=SPLITS
// SPLITS: error: splits is to be 1, 2, 4 or 8
// CHECK: error: tokens is to be a multiple of 16 up to 256
module {}
