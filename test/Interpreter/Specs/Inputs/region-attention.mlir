{interp.axes = {image = 1 : i64, token = [1 : i64, 1 : i64, 1 : i64, 1 : i64, 1 : i64]},
 interp.inputs = {q = dense<0.0> : tensor<5x1xf32>, k = dense<[[1.0], [2.0], [3.0], [4.0], [5.0]]> : tensor<5x1xf32>,
   v = dense<[[1.0], [2.0], [3.0], [4.0], [100.0]]> : tensor<5x1xf32>},
 interp.pushes = {q = dense<1.0> : tensor<5x1xf32>},
 interp.script = ["run attend", "run near", "push q", "run near"]}
