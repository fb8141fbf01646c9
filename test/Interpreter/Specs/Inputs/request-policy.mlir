{interp.params = {
   pick.skill.w1 = dense<0.0> : tensor<64x2xf32>, pick.skill.b1 = dense<0.0> : tensor<64xf32>,
   pick.skill.w2 = dense<0.0> : tensor<3x64xf32>, pick.skill.b2 = dense<[0.5, 0.0, 0.8]> : tensor<3xf32>},
 interp.inputs = {
   request.prompt = ["fix my def foo()", "my contract", "hello", "hello"], request.user = ["a", "b", "c", "d"],
   request.tier = dense<[1, 1, 0, 0]> : tensor<4xi64>,
   request.max_out = dense<[1000.0, 1000.0, 5000.0, 100.0]> : tensor<4xf64>,
   e = dense<[[0.0, 1.0], [1.0, 0.1], [0.0, 1.0], [0.0, 1.0]]> : tensor<4x2xf32>},
 interp.script = ["run pick"]}
