// What ops on collections, keyed state and pools of pools refuse.
// RUN: route-opt %s --split-input-file --verify-diagnostics

route.func @find <route> (%s: !route.array<!route.set<i64>>, %x: !route.array<f32>) -> !route.array<i64> {
  // expected-error@+1 {{element is no 'i64'}}
  %f = route.find %x in %s : !route.array<f32>, !route.array<!route.set<i64>>
  route.return %f : !route.array<i64>
}
// -----
route.func @plain <route> (%s: !route.array<i64>, %x: !route.array<i64>) -> !route.array<i64> {
  // expected-error@+1 {{takes a list or set}}
  %f = route.find %x in %s : !route.array<i64>, !route.array<i64>
  route.return %f : !route.array<i64>
}
// -----
route.func @subset <route> (%s: !route.array<!route.set<i64>>, %x: !route.array<!route.set<f32>>) -> !route.array<i1> {
  // expected-error@+1 {{takes two collections of one type}}
  %f = route.subset %s in %x : !route.array<!route.set<i64>>, !route.array<!route.set<f32>>
  route.return %f : !route.array<i1>
}
// -----
route.state @n : !route.array<i64> attributes {keys = [!route.text]}
route.func @few <route> () -> !route.array<i64> {
  // expected-error@+1 {{gives 0 keys, expected 1}}
  %f = route.lookup @n() : () -> !route.array<i64>
  route.return %f : !route.array<i64>
}
// -----
route.state @n : !route.array<i64> attributes {keys = [!route.text]}
route.func @other <route> (%x: !route.array<i64>) -> !route.array<i64> {
  // expected-error@+1 {{gives a key of 'i64'}}
  %f = route.lookup @n(%x) : (!route.array<i64>) -> !route.array<i64>
  route.return %f : !route.array<i64>
}
// -----
route.state @n : !route.array<i64> attributes {keys = [i64]}
route.func @unknown <route> (%x: !route.array<!route.range<i64>>) -> !route.array<i64> {
  // expected-error@+1 {{gives a key of '!route.range<i64>', expected 'i64'}}
  %f = route.lookup @n(%x) : (!route.array<!route.range<i64>>) -> !route.array<i64>
  route.return %f : !route.array<i64>
}
// -----
route.state @n : !route.array<i64>
route.func @unkeyed <route> (%x: !route.array<i64>) -> !route.array<i64> {
  // expected-error@+1 {{names @n, which is no state with keys}}
  %f = route.lookup @n(%x) : (!route.array<i64>) -> !route.array<i64>
  route.return %f : !route.array<i64>
}
// -----
route.state @n : !route.array<i64> attributes {keys = [i64]}
route.func @outside <route> (%x: !route.array<i64>) -> !route.array<i64> {
  // expected-error@+1 {{writes state outside an event handler}}
  route.store @n(%x), %x : (!route.array<i64>) -> !route.array<i64>
  route.return %x : !route.array<i64>
}
// -----
route.axis @a <pool> size(2) {}
route.func @join <route> (%x: !route.array<i64 [@a]>) -> !route.array<i64 [@a]> {
  // expected-error@+1 {{which has other parts}}
  %j = route.join %x along @a : (!route.array<i64 [@a]>) -> !route.array<i64 [@a]>
  route.return %j : !route.array<i64 [@a]>
}
// -----
// expected-error@+1 {{has parts but is no pool of pools}}
route.axis @a <index> attributes {parts = [@a]} {}
// -----
route.axis @a <pool> size(2) {}
route.func @ring <route> (%x: !route.array<i64 [@a]>, %k: !route.array<i64>) -> !route.array<!route.ref<@a>> {
  // expected-error@+1 {{takes texts over one pool}}
  %r = route.ring %x, %k vnodes 8 seed 0 : !route.array<i64 [@a]>, !route.array<i64> -> !route.array<!route.ref<@a>>
  route.return %r : !route.array<!route.ref<@a>>
}
