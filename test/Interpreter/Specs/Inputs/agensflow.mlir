{interp.axes = {skills = 3 : i64},
 interp.inputs = {
   skills.needs = dense<[1, 2, 4]> : tensor<3xi64>,
   step.regime = dense<[0, 0]> : tensor<2xi64>, step.filled = dense<[3, 7]> : tensor<2xi64>,
   step.belief = dense<[[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.9]]> : tensor<2x4xf32>,
   step.plan = [[0 : i64, 2 : i64, 1 : i64], [2 : i64]], done = []},
 interp.pushes = {first.done = [0 : i64], skipped.done = [3 : i64], all.done = [0 : i64, 1 : i64, 2 : i64], none.done = [],
   step.belief = dense<[[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]]> : tensor<2x4xf32>,
   step.filled = dense<[3, 3]> : tensor<2xi64>},
 interp.script = ["run next", "run legal", "push done first.done", "run next", "run legal", "push done skipped.done", "run next",
   "push done all.done", "run next", "push done none.done", "emit failure a=0 step=0", "emit failure a=0 step=0",
   "emit dispatch a=0 step=0", "emit dispatch a=0 step=0", "emit dispatch a=0 step=0", "emit dispatch a=0 step=0",
   "emit dispatch a=0 step=0", "run next", "run tries", "push step.belief", "push step.filled", "run tries", "run bad_acts"]}
