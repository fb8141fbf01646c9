{interp.axes = {skills = 3 : i64},
 interp.inputs = {
   skills.needs = dense<[1, 2, 4]> : tensor<3xi64>,
   step.regime = dense<[0, 0]> : tensor<2xi64>, step.filled = dense<[1, 7]> : tensor<2xi64>,
   step.belief = dense<[[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.9]]> : tensor<2x4xf32>,
   step.plan = [[0 : i64, 1 : i64], [0 : i64, 2 : i64]]},
 interp.pushes = {step.regime = dense<[1, 0]> : tensor<2xi64>, step.filled = dense<[3, 7]> : tensor<2xi64>},
 interp.answers = [
   "{\22call\22: \22skills.run\22, \22row\22: 0, \22ms\22: 10, \22return\22: {\22step.regime\22: \22evidence\22, \22step.filled\22: 3, \22step.belief\22: [0.1, 0.2, 0.3, 0.4], \22step.plan\22: [0, 1], \22finished\22: false}}",
   "{\22call\22: \22skills.run\22, \22row\22: 1, \22ms\22: 10, \22fail\22: 500}",
   "{\22call\22: \22skills.run\22, \22row\22: 2, \22ms\22: 10, \22return\22: {\22step.regime\22: \22conflict\22, \22step.filled\22: 7, \22step.belief\22: [0.5, 0.5, 0.5, 0.5], \22step.plan\22: [], \22finished\22: true}}",
   "{\22feedback\22: 0.5, \22ms\22: 60000}"],
 interp.script = ["emit failure a=0 step=1", "emit failure a=2 step=1", "emit dispatch a=0 step=1", "emit dispatch a=0 step=1", "emit dispatch a=0 step=1", "emit dispatch a=0 step=1", "emit dispatch a=0 step=1", "steps agent", "run tries", "run tried", "run bad_acts", "run rewards", "push step.regime", "push step.filled", "run tries", "run tried", "run bad_acts"]}
