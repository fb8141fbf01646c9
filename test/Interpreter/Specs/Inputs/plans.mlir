{interp.axes = {image = 2 : i64, token = [4 : i64, 4 : i64]},
 interp.params = {
   w = dense<[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]> : tensor<4x4xf32>,
   wb = dense<0.0> : tensor<3x4xf32>, table = dense<[[3, 1]]> : tensor<1x2xi64>},
 interp.inputs = {id = dense<0> : tensor<8xi64>,
   x = dense<[[9.0, 0.0, 0.0, 0.0], [0.0, 9.0, 0.0, 0.0], [0.0, 0.0, 9.0, 0.0], [0.0, 0.0, 0.0, 9.0],
     [0.2, 0.1, 0.0, 0.0], [0.0, 0.2, 0.1, 0.0], [0.0, 0.0, 0.2, 0.1], [0.1, 0.0, 0.0, 0.2]]> : tensor<8x4xf32>},
 interp.script = ["run experts_choose", "run nucleus", "run table_rows", "run joined", "run rows_of"]}
