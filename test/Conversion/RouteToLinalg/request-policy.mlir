// A request policy: texts are asked in one loop over the requests, outside the row program that scores and chooses.
// RUN: route-opt %s --route-form-rows --convert-route-to-linalg --canonicalize --cse | FileCheck %s
// RUN: route-opt %s --route-form-rows --convert-route-to-linalg --canonicalize --cse --route-fuse-text | FileCheck %s --check-prefix=FUSED

route.axis @request <index> {
  route.column @prompt <input> : !route.array<!route.text [@request]>
  route.column @max_out <input> : !route.array<f64 [@request]>
  route.column @worth <input> : !route.array<f64 [@request]>
}
route.axis @topic <index> size(4) {}
route.axis @gram <index> size(64) {}
route.axis @models <pool> size(3) labels(["small", "coder", "large"]) {
  route.column @price_in <constant> : !route.array<f64 [@models]> = dense<[2.0e-7, 2.0e-7, 9.0e-7]> : tensor<3xf64>
  route.column @context <constant> : !route.array<f64 [@models]> = dense<[32768.0, 8192.0, 131072.0]> : tensor<3xf64>
}
route.axis @pick.p <plan> in [@request, @models] {}
route.axis @pick.p.1 <plan> in [@request, @models] {}
route.axis @pick.p.2 <plan> in [@request, @models] {}
route.param @weight : !route.array<f32 [@topic, @gram]> from "topic.weight"
route.param @accuracy : !route.array<f32 [@topic, @models]> from "accuracy"

// CHECK-LABEL: func.func @pick
// CHECK-SAME: memref<?x!signal.text> {route.axes = [@request], route.name = "request.prompt", route.role = "input"
// CHECK: %[[TEXT:.*]]:4 = scf.for %[[I:.*]] = %{{.*}} iter_args
// CHECK: %[[T:.*]] = tensor.extract %{{.*}}[%[[I]]] : tensor<?x!signal.text>
// CHECK: signal.estimate %[[T]] per 4.0
// CHECK: signal.match <any [<regex "def \\w+">]> %[[T]] : i1
// CHECK: signal.match <any [<keyword "import">]> %[[T]] : i1
// CHECK: %[[F:.*]] = signal.ngrams %[[T]]
// CHECK: tensor.insert_slice %[[F]] into %{{.*}}[%[[I]], 0] [1, 64] [1, 1]
// CHECK: ragged.matmul
// CHECK: row.program ins(%[[TEXT]]#0,
// CHECK: row.choose where
// CHECK: row.choose by
// CHECK: row.yield
// FUSED: signal.scan [#signal.predicate<any [<regex "def \\w+">]>, #signal.predicate<any [<keyword "import">]>]
// FUSED-NOT: signal.match
route.func @pick <router> () -> (!route.plan<@pick.p.2> {route.name = "plan"}, !route.array<i64 [@request]> {route.name = "status"}) {
  %t = route.get @request::@prompt : !route.array<!route.text [@request]>
  %tokens = route.text_fn "estimate"(%t) {bytes_per_token = 4 : i64} : (!route.array<!route.text [@request]>) -> !route.array<i64 [@request]>
  %length = route.cast %tokens : !route.array<i64 [@request]> to !route.array<f64 [@request]>
  %code1 = route.text_fn "regex"(%t) {pattern = "def \\w+"} : (!route.array<!route.text [@request]>) -> !route.array<i1 [@request]>
  %code2 = route.text_fn "contains"(%t) {pattern = "import"} : (!route.array<!route.text [@request]>) -> !route.array<i1 [@request]>
  %code = route.binary <logical_or> %code1, %code2 : !route.array<i1 [@request]>, !route.array<i1 [@request]>
  %grams = route.text_fn "ngrams"(%t) {dim = 64 : i64, n = 3 : i64, hash = "fnv1a", weighting = "binary", norm = "l2"} : (!route.array<!route.text [@request]>) -> !route.array<f32 [@request, @gram]>
  %w = route.get @weight : !route.array<f32 [@topic, @gram]>
  %l = route.contract %grams, %w over [@gram] : !route.array<f32 [@request, @gram]>, !route.array<f32 [@topic, @gram]>
  %max = route.reduce <max> %l : !route.array<f32 [@request, @topic]> to !route.array<f32 [@request]>
  %d = route.binary <sub> %l, %max : !route.array<f32 [@request, @topic]>, !route.array<f32 [@request]>
  %e = route.unary <exp> %d : !route.array<f32 [@request, @topic]>
  %z = route.reduce <sum> %e : !route.array<f32 [@request, @topic]> to !route.array<f32 [@request]>
  %likely = route.binary <div> %e, %z : !route.array<f32 [@request, @topic]>, !route.array<f32 [@request]>
  %acc = route.get @accuracy : !route.array<f32 [@topic, @models]>
  %skill = route.contract %likely, %acc over [@topic] : !route.array<f32 [@request, @topic]>, !route.array<f32 [@topic, @models]>
  %price = route.get @models::@price_in : !route.array<f64 [@models]>
  %context = route.get @models::@context : !route.array<f64 [@models]>
  %out = route.get @request::@max_out : !route.array<f64 [@request]>
  %worth = route.get @request::@worth : !route.array<f64 [@request]>
  %all = route.binary <add> %length, %out : !route.array<f64 [@request]>, !route.array<f64 [@request]>
  %fits = route.compare <le> %all, %context : !route.array<f64 [@request]>, !route.array<f64 [@models]>
  %cost = route.binary <mul> %all, %price : !route.array<f64 [@request]>, !route.array<f64 [@models]>
  %rel = route.binary <div> %cost, %worth : !route.array<f64 [@request, @models]>, !route.array<f64 [@request]>
  %rel32 = route.cast %rel : !route.array<f64 [@request, @models]> to !route.array<f32 [@request, @models]>
  %key = route.binary <sub> %skill, %rel32 : !route.array<f32 [@request, @models]>, !route.array<f32 [@request, @models]>
  %pos = route.iota -> !route.array<!route.ref<@models> [@models]>
  %coder = route.constant 1 : i64 as !route.array<!route.ref<@models>>
  %is = route.compare <eq> %pos, %coder : !route.array<!route.ref<@models> [@models]>, !route.array<!route.ref<@models>>
  %mask = route.binary <logical_and> %is, %fits : !route.array<i1 [@models]>, !route.array<i1 [@request, @models]>
  %mask0 = route.broadcast %mask : !route.array<i1 [@models, @request]> to !route.array<i1 [@request, @models]>
  %p0 = route.choose <all> of @models per [@request] where (%mask0 : !route.array<i1 [@request, @models]>) up [] -> !route.plan<@pick.p> as @pick.p
  %k = route.constant 1 : i64 as !route.array<i64>
  %p1 = route.choose <count> count(%k : !route.array<i64>) of @models per [@request] where (%fits : !route.array<i1 [@request, @models]>) by (%key : !route.array<f32 [@request, @models]>) up [false] -> !route.plan<@pick.p.1> as @pick.p.1
  %true = route.constant true as !route.array<i1>
  %always = route.broadcast %true : !route.array<i1> to !route.array<i1 [@request]>
  %p, %which = route.first_plan whens(%code, %always) plans(%p0, %p1) as @pick.p.2 : (!route.array<i1 [@request]>, !route.array<i1 [@request]>, !route.plan<@pick.p>, !route.plan<@pick.p.1>) -> (!route.plan<@pick.p.2>, !route.array<i64 [@request]>)
  %zero = route.constant 0 : i64 as !route.array<i64>
  %none = route.compare <lt> %which, %zero : !route.array<i64 [@request]>, !route.array<i64>
  %refuse = route.constant 413 : i64 as !route.array<i64>
  %status = route.select %none, %refuse, %zero : !route.array<i1 [@request]>, !route.array<i64>, !route.array<i64>
  route.return %p, %status : !route.plan<@pick.p.2>, !route.array<i64 [@request]>
}
