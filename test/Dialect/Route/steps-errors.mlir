// Every constraint of step routes, broken once; above all no loop runs without a bound.
// RUN: route-opt %s --split-input-file --verify-diagnostics

route.func @a <route> () -> !route.array<i64> {
  // expected-error @+1 {{stands outside a step route}}
  %c = route.ask "f"() [] gives [] -> !route.array<i64>
  route.return %c : !route.array<i64>
}

// -----
// expected-error @+1 {{has several blocks and is no step route}}
route.func @a <route> () -> !route.array<i64> {
  %c = route.constant 0 : i64 as !route.array<i64>
  cf.br ^b
^b:
  route.return %c : !route.array<i64>
}

// -----
route.func @a <steps> () -> !route.array<i64> {
  %c = route.constant 0 : i64 as !route.array<i64>
  %t = route.constant true as !route.array<i1>
  cf.br ^b
^b:
  // expected-error @+1 {{is part of a loop without a bound}}
  route.cond_br %t : !route.array<i1>, ^b, ^c
^c:
  route.return %c : !route.array<i64>
}

// -----
route.func @a <steps> () -> !route.array<i64> {
  %c = route.constant 0 : i64 as !route.array<i64>
  cf.br ^b(%c : !route.array<i64>)
^b(%i: !route.array<i64>):
  // expected-error @+1 {{needs a bound from before the loop}}
  route.repeat %i : !route.array<i64>, ^c, ^d
^c:
  route.next ^b
^d:
  route.return %c : !route.array<i64>
}

// -----
route.func @a <steps> () -> !route.array<i64> {
  %c = route.constant 0 : i64 as !route.array<i64>
  cf.br ^b
^b:
  // expected-error @+1 {{needs a count as its block's first argument}}
  route.repeat %c : !route.array<i64>, ^c, ^c
^c:
  route.return %c : !route.array<i64>
}

// -----
route.func @a <steps> () -> !route.array<i64> {
  %c = route.constant 0 : i64 as !route.array<i64>
  cf.br ^b(%c : !route.array<i64>)
^b(%i: !route.array<i64>):
  // expected-error @+2 {{does not stand alone in its block}}
  %d = route.constant 0 : i64 as !route.array<i64>
  route.repeat %c : !route.array<i64>, ^c, ^c
^c:
  route.return %c : !route.array<i64>
}

// -----
route.func @a <steps> () -> !route.array<i64> {
  %c = route.constant 0 : i64 as !route.array<i64>
  // expected-error @+1 {{goes back to a block that is no head of a loop}}
  route.next ^b
^b(%i: !route.array<i64>):
  route.return %c : !route.array<i64>
}

// -----
route.func @a <steps> () -> !route.array<i64> {
  %c = route.constant 0 : i64 as !route.array<i64>
  // expected-error @+1 {{stands outside the loop that it goes on with}}
  route.next ^b
^b(%i: !route.array<i64>):
  route.repeat %c : !route.array<i64>, ^c, ^c
^c:
  route.return %c : !route.array<i64>
}

// -----
route.axis @models <pool> size(2) {}
route.func @a <steps> () -> !route.array<i64> {
  // expected-error @+1 {{needs a row exactly when it has a pool}}
  %c = route.ask "f" of @models() [] gives [] -> !route.array<i64>
  route.return %c : !route.array<i64>
}

// -----
route.func @a <steps> () -> !route.array<i64> {
  // expected-error @+1 {{has 1 fields for 0 values}}
  %c = route.ask "f"() [] gives ["text"] -> !route.array<i64>
  route.return %c : !route.array<i64>
}

// -----
route.func @a <steps> (%x: !route.array<f32>) -> !route.array<i64> {
  // expected-error @+1 {{has 0 names for 1 arguments}}
  %c = route.ask "f"(%x : !route.array<f32>) [] gives [] -> !route.array<i64>
  route.return %c : !route.array<i64>
}

// -----
route.func @a <steps> () -> !route.array<i64> {
  // expected-error @+1 {{which is no range}}
  %c, %v = route.ask "f"() [] gives ["text"] -> !route.array<i64>, !route.array<f32>
  route.return %c : !route.array<i64>
}

// -----
route.func @a <steps> () -> !route.array<i64> {
  // expected-error @+1 {{needs an axis exactly when it has copies}}
  %c = route.ask "f"() [] copies 3 gives [] -> !route.array<i64>
  route.return %c : !route.array<i64>
}

// -----
route.axis @votes <index> size(4) {}
route.func @a <steps> () -> !route.array<i64> {
  %z = route.constant 0 : i64 as !route.array<i64>
  // expected-error @+1 {{needs 4 answers of 3 copies}}
  %c = route.ask "f"() [] copies 3 as @votes gives [] -> !route.array<i64 [@votes]>
  route.return %z : !route.array<i64>
}

// -----
route.axis @models <pool> size(2) {}
route.func @a <steps> () -> !route.array<i64> {
  // expected-error @+1 {{has no rows that are "best"}}
  %s = route.run_set "best" of @models : !route.array<!route.set<!route.ref<@models>>>
  %z = route.constant 0 : i64 as !route.array<i64>
  route.return %z : !route.array<i64>
}
