{interp.params = {
   kinds.more.s = dense<[3.0, 5.0]> : tensor<2xf32>,
   tower.floor.add = dense<[[1.0, 2.0], [10.0, 11.0]]> : tensor<2x2xf32>,
   outer.gate = dense<[[0.0, 1.0], [1.0, 0.0]]> : tensor<2x2xf32>,
   outer.parts.factor = dense<[[100.0, 20.0], [1.0, 100.0]]> : tensor<2x2xf32>},
 interp.inputs = {x = dense<[[1.0], [2.0]]> : tensor<2x1xf32>,
   which = dense<[[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]> : tensor<2x3xf32>},
 interp.script = ["run some", "run all", "run chained", "run stacked", "run nested"]}
