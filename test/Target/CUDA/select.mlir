// What has no kernel is told of in the words of the spec, or by its place there, never by the name of an operation.
// RUN: route-opt %s --route-select-device-entries | FileCheck %s

// CHECK: func.func @switched
// CHECK-SAME: route.not_on_device = "what it does in line 12 has no kernel"
func.func @switched(%arg0: index) attributes {route.entry = @route.switched} {
  scf.index_switch %arg0
  default {
    scf.yield
  } loc("pick.route":12:3)
  return
}

// CHECK: func.func @asked
// CHECK-SAME: route.not_on_device = "text lives on the host"
func.func @asked() attributes {route.entry = @route.asked} {
  %text = signal.constant "def"
  return
}
