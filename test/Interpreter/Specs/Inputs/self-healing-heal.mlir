{interp.axes = {tools = 4 : i64},
 interp.inputs = {
   tools.latency = dense<0.0> : tensor<4xf64>, tools.errors = dense<0.0> : tensor<4xf32>,
   links.from = dense<[0, 1, 0, 2, 0]> : tensor<5xi64>, links.to = dense<[1, 3, 2, 3, 3]> : tensor<5xi64>,
   links.cost = dense<[1.0e12, 2.0e12, 2.0e12, 2.0e12, 9.0e12]> : tensor<5xf64>,
   task.start = dense<[0, 3, 0, 0, 0, 0]> : tensor<6xi64>, task.goal = dense<3> : tensor<6xi64>,
   task.input = dense<[50, 51, 52, 53, 54, 55]> : tensor<6xi64>},
 interp.answers = [
   "{\22call\22: \22tools.run\22, \22row\22: 1, \22ms\22: 100, \22fail\22: 500}",
   "{\22call\22: \22tools.run\22, \22row\22: 2, \22ms\22: 100, \22return\22: {\22out\22: 60}}",
   "{\22call\22: \22tools.run\22, \22row\22: 3, \22ms\22: 100, \22return\22: {\22out\22: 61}}",
   "{\22call\22: \22tools.run\22, \22row\22: 2, \22timeout\22: true}",
   "{\22call\22: \22tools.run\22, \22row\22: 3, \22ms\22: 100, \22fail\22: 502}",
   "{\22call\22: \22host.planner\22, \22ms\22: 100, \22return\22: {\22goal\22: 0}}",
   "{\22call\22: \22host.planner\22, \22ms\22: 100, \22return\22: {\22goal\22: null}}",
   "{\22call\22: \22host.planner\22, \22timeout\22: true}",
   "{\22call\22: \22host.planner\22, \22return\22: {\22goal\22: 3}, \22times\22: \22any\22}"],
 interp.script = ["steps heal", "state tools.down"]}
