{interp.axes = {models = 2 : i64},
 interp.inputs = {
   models.provider = ["a", "b"], models.price_in = dense<[0.0, 0.0]> : tensor<2xf64>,
   models.price_out = dense<[1.0e9, 1.0e8]> : tensor<2xf64>, models.context = dense<100000.0> : tensor<2xf64>,
   request.prompt = ["", "", "", ""], request.max_out = dense<1000.0> : tensor<4xf64>, request.key = ["k", "k", "k", "k"],
   request.team = ["t", "t", "t", "t"], request.cap = dense<2.5e12> : tensor<4xf64>},
 interp.pushes = {small = dense<1.5e12> : tensor<4xf64>},
 interp.answers = [
   "{\22call\22: \22models.chat\22, \22row\22: 0, \22ms\22: 100, \22fail\22: 500}",
   "{\22call\22: \22models.chat\22, \22row\22: 1, \22ms\22: 100, \22return\22: {\22text\22: 7, \22tin\22: 0, \22tout\22: 1000}}",
   "{\22call\22: \22models.chat\22, \22row\22: 1, \22ms\22: 100, \22fail\22: 400}",
   "{\22call\22: \22models.chat\22, \22row\22: 1, \22timeout\22: true}",
   "{\22call\22: \22models.chat\22, \22row\22: 0, \22ms\22: 100, \22return\22: {\22text\22: 8, \22tin\22: 0, \22tout\22: 1000}}",
   "{\22call\22: \22models.chat\22, \22row\22: 0, \22ms\22: 100, \22return\22: {\22text\22: 9, \22tin\22: 0, \22tout\22: 1000}}"],
 interp.script = ["steps answer", "state models.cool", "now 200000000000", "push request.cap small", "steps answer"]}
