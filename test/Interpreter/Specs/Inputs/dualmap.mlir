{interp.inputs = {
   replicas.url = ["a", "b", "c"], replicas.room = dense<1000.0> : tensor<3xf64>,
   replicas.queue = dense<[100.0, 0.0, 0.0]> : tensor<3xf64>, replicas.speed = dense<1000.0> : tensor<3xf64>,
   replicas.health = dense<true> : tensor<3xi1>,
   request.prefix = dense<[7, 5, 8]> : tensor<3xi64>, request.prefill = dense<[100.0, 200.0, 300.0]> : tensor<3xf64>},
 interp.pushes = {
   replicas.health = dense<[false, false, true]> : tensor<3xi1>,
   well.health = dense<true> : tensor<3xi1>,
   replicas.queue = dense<[10000.0, 5000.0, 0.0]> : tensor<3xf64>,
   replicas.room = dense<[1000.0, 50.0, 1000.0]> : tensor<3xf64>},
 interp.script = ["run place", "emit dispatch m=1 request=0", "state replicas.sent", "state replicas.seen", "run place",
   "push replicas.health", "run place", "push replicas.health well.health", "push replicas.queue", "run place",
   "push replicas.room", "run place", "now 6000000000", "run place", "emit push m=1", "state replicas.sent",
   "state replicas.seen"]}
