{interp.inputs = {
   models.provider = ["a", "b"], models.price_in = dense<[0.0, 0.0]> : tensor<2xf64>,
   models.price_out = dense<[1.0e9, 1.0e8]> : tensor<2xf64>, models.context = dense<100000.0> : tensor<2xf64>,
   request.prompt = ["", ""], request.max_out = dense<1000.0> : tensor<2xf64>, request.key = ["k", "k"],
   request.team = ["t", "t"], request.cap = dense<2.5e12> : tensor<2xf64>, tried = []},
 interp.pushes = {one = [1 : i64], none = []},
 interp.script = ["run pick", "emit dispatch", "run pick", "push tried one", "run pick", "push tried none", "now 86400000000000",
   "run pick", "emit failure m=0 code=500 request=0", "run pick"]}
