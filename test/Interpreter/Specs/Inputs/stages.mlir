{interp.params = {w = dense<[[2.0, 2.0], [1.9, 1.9], [1.0, 1.0]]> : tensor<3x2xf32>},
 interp.inputs = {x = dense<[[1.0, 0.0], [0.0, 1.0]]> : tensor<2x2xf32>, chain.depth = dense<[3, 1, 2, 0]> : tensor<4xi64>},
 interp.script = ["run stack", "run levels"]}
