{interp.params = {gate.w = dense<[[10.0, 0.0], [0.0, 10.0], [0.0, 0.0]]> : tensor<3x2xf32>},
 interp.inputs = {x = dense<[[1.0, 0.0], [0.0, 1.0]]> : tensor<2x2xf32>, r = dense<[[1, 2], [1, 0]]> : tensor<2x2xi64>,
   guard = dense<true> : tensor<3xi1>, gate.mu = dense<0.0> : tensor<3x2xf32>},
 interp.pushes = {guard = dense<false> : tensor<3xi1>},
 interp.script = ["run replay", "push guard", "run replay", "emit commit replay", "state gate.dual", "run gate", "metrics",
   "emit commit gate", "state gate.dual", "state gate.mu"]}
