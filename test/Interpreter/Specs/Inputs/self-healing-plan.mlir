{interp.axes = {tools = 4 : i64},
 interp.inputs = {
   links.from = dense<[0, 1, 0, 2, 0]> : tensor<5xi64>, links.to = dense<[1, 3, 2, 3, 3]> : tensor<5xi64>,
   links.cost = dense<[1.0e12, 2.0e12, 2.0e12, 2.0e12, 9.0e12]> : tensor<5xf64>,
   at = 0 : i64, goal = 3 : i64, failed = []},
 interp.pushes = {tools.errors = dense<[0.0, 0.9, 0.0, 0.0]> : tensor<4xf32>, two = [2 : i64], both = [2 : i64, 3 : i64],
   three = 3 : i64, none = []},
 interp.script = ["run plan", "push tools.errors", "run plan", "now 31000000000", "run plan", "emit failure t=1 code=500 task=0",
   "state tools.down", "run plan", "push failed two", "run plan", "push failed both", "run plan", "push failed none",
   "push at three", "run plan"]}
