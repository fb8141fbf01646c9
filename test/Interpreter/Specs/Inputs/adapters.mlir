{interp.axes = {sequence = 1 : i64, token = [2 : i64], library = 3 : i64, narrow.lora.rank = [1 : i64, 2 : i64, 1 : i64]},
 interp.params = {
   narrow.base = dense<0.0> : tensor<2x2xf32>,
   narrow.lora.a = dense<[[1.0, 2.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]> : tensor<4x2xf32>,
   narrow.lora.b = dense<[[1.0, 1.0, 0.0, 5.0], [1.0, 0.0, 1.0, 5.0]]> : tensor<2x4xf32>,
   narrow.lora.v = dense<[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]> : tensor<3x2xf32>},
 interp.inputs = {x = dense<[[1.0, 0.0], [0.0, 1.0]]> : tensor<2x2xf32>,
   library.desc = dense<[[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]]> : tensor<3x2xf32>},
 interp.host = {embed_instruction = ["timeout", dense<[[1.0, 0.0]]> : tensor<1x2xf32>]},
 interp.script = ["run adapted", "run adapted"]}
