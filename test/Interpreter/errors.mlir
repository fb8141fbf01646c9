// Errors of a run: reported at the op or symbol in question, never an abort.
// RUN: route-interp %s --verify-diagnostics

module {
  route.axis @n <index> size(2) {}
  // expected-error @below {{parameter 'w' is not bound}}
  route.param @w : !route.array<f32 [@n]> from "w"
  route.func @f <route> () -> !route.array<f32 [@n]> {
    %w = route.get @w : !route.array<f32 [@n]>
    route.return %w : !route.array<f32 [@n]>
  }
}

// -----

module {
  // expected-error @below {{signal 'x' is not bound}}
  route.signal @x : !route.array<f32>
  route.func @f <route> () -> !route.array<f32> {
    %w = route.get @x : !route.array<f32>
    route.return %w : !route.array<f32>
  }
}

// -----

module attributes {interp.inputs = {x = dense<[1.0, 2.0, 3.0]> : tensor<3xf32>}} {
  route.axis @n <index> size(2) {}
  // expected-error @below {{'x' has 3 positions along axis @n, expected 2}}
  route.signal @x : !route.array<f32 [@n]>
}

// -----

module attributes {interp.inputs = {x = dense<[1.0, 2.0]> : tensor<2xf32>, y = dense<[1.0, 2.0, 3.0]> : tensor<3xf32>}} {
  route.axis @token <index> {}
  route.signal @x : !route.array<f32 [@token]>
  // expected-error @below {{'y' has 3 positions along axis @token, expected 2}}
  route.signal @y : !route.array<f32 [@token]>
}

// -----

module attributes {interp.inputs = {x = dense<[1.0, 2.0]> : tensor<2xf32>}} {
  // expected-error @below {{'x' has 0 axes, found 1}}
  route.signal @x : !route.array<f32>
}

// -----

// expected-error @below {{'z' is no signal, column, state or argument}}
module attributes {interp.inputs = {z = 1.0 : f32}} {
}

// -----

module {
  route.axis @token <index> {}
  route.func @f <route> () -> !route.array<i64 [@token]> {
    // expected-error @below {{the size of axis 'token' is not known; bind an input over it}}
    %i = route.iota -> !route.array<i64 [@token]>
    route.return %i : !route.array<i64 [@token]>
  }
}

// -----

module attributes {interp.axes = {token = 5 : i64}} {
  route.axis @image <index> size(2) {}
  // expected-error @below {{axis 'token' has 5 positions, no multiple of the 2 of 'image'; give its counts per parent}}
  route.axis @token <index> in [@image] {}
}

// -----

module attributes {interp.axes = {token = [1, 2, 3]}} {
  route.axis @image <index> size(2) {}
  // expected-error @below {{axis 'token' needs 2 counts, one a position of 'image', found 3}}
  route.axis @token <index> in [@image] {}
}

// -----

module attributes {interp.axes = {m = 9 : i64}} {
  // expected-error @below {{axis 'm' holds at most 8 positions, found 9}}
  route.axis @m <pool> bound(8) {}
}

// -----

module attributes {interp.max_bytes = 100000 : i64} {
  // expected-error @below {{axis 'n' of 100000 positions exceeds the memory limit}}
  route.axis @n <index> size(100000) {}
  route.func @f <route> () -> !route.array<i64 [@n]> {
    %i = route.iota -> !route.array<i64 [@n]>
    route.return %i : !route.array<i64 [@n]>
  }
}

// -----

module attributes {interp.max_bytes = 100000 : i64} {
  route.axis @n <index> size(1000) {}
  route.axis @m <index> size(1000) {}
  route.func @f <route> () -> !route.array<i64 [@n, @m]> {
    %i = route.iota -> !route.array<i64 [@n]>
    %j = route.iota -> !route.array<i64 [@m]>
    // expected-error @below {{out of memory: an array over (n = 1000, m = 1000) exceeds the limit of 100000 bytes}}
    %k = route.binary <add> %i, %j : !route.array<i64 [@n]>, !route.array<i64 [@m]>
    route.return %k : !route.array<i64 [@n, @m]>
  }
}

// -----

// Views cost nothing, but walking one does.
module attributes {interp.max_bytes = 100000000 : i64} {
  route.axis @a <index> size(1000000) {}
  route.axis @b <index> size(1000000) {}
  route.axis @c <index> size(10000000) {}
  route.func @f <route> () -> !route.array<f32> {
    %x = route.constant 1.0 : f32 as !route.array<f32 [@a, @b]>
    // expected-error @below {{the step limit of 100000000 is reached}}
    %s = route.reduce <sum> %x : !route.array<f32 [@a, @b]> to !route.array<f32>
    route.return %s : !route.array<f32>
  }
}

// -----

module attributes {interp.max_steps = 1000 : i64} {
  route.func @f <route> () -> !route.array<i64> {
    %n = route.constant 9223372036854775807 : i64 as !route.array<i64>
    // expected-error @below {{runs 9223372036854775807 times, above the step limit of 1000}}
    %r = route.for count(%n : !route.array<i64>) carry(%n : !route.array<i64>) {
    ^bb0(%i: !route.array<i64>, %u: !route.array<i64>):
      %false = route.constant false as !route.array<i1>
      route.yield %false, %u : !route.array<i1>, !route.array<i64>
    } -> !route.array<i64>
    route.return %r : !route.array<i64>
  }
}

// -----

module attributes {interp.max_steps = 1000 : i64} {
  route.func @f <route> () -> !route.array<i64> {
    %n = route.constant 900 : i64 as !route.array<i64>
    %r = route.for count(%n : !route.array<i64>) carry(%n : !route.array<i64>) {
    ^bb0(%i: !route.array<i64>, %u: !route.array<i64>):
      // expected-error @below {{the step limit of 1000 is reached}}
      %false = route.constant false as !route.array<i1>
      route.yield %false, %u : !route.array<i1>, !route.array<i64>
    } -> !route.array<i64>
    route.return %r : !route.array<i64>
  }
}

// -----

module {
  // expected-error @below {{calls nest deeper than 200}}
  route.func @f <route> () -> !route.array<i64> {
    %r = route.call @f() : () -> !route.array<i64>
    route.return %r : !route.array<i64>
  }
}

// -----

module {
  route.axis @n <index> size(2) {}
  route.func @f <route> () -> !route.array<f32 [@n]> {
    // expected-error @below {{a constant of 3 elements for 2 positions}}
    %x = route.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32> as !route.array<f32 [@n]>
    route.return %x : !route.array<f32 [@n]>
  }
}

// -----

module {
  route.axis @n <index> size(3) {}
  route.func @f <route> () -> !route.array<f32 [@n]> {
    %x = route.constant 1.0 : f32 as !route.array<f32>
    // expected-error @below {{stacks 2 values along axis 'n' of size 3}}
    %s = route.stack %x, %x along @n : !route.array<f32>, !route.array<f32> -> !route.array<f32 [@n]>
    route.return %s : !route.array<f32 [@n]>
  }
}

// -----

// Two runs of one plan axis never meet by accident.
module {
  route.axis @token <index> size(2) {}
  route.axis @n <index> size(2) {}
  route.axis @p <plan> in [@token, @n] {}
  route.func @f <route> () -> !route.array<i64 [@p]> {
    %k = route.iota -> !route.array<i64 [@n]>
    %one = route.constant 1 : i64 as !route.array<i64>
    %p = route.choose <count> count(%one : !route.array<i64>) of @n per [@token] by (%k : !route.array<i64 [@n]>) up [false] -> !route.plan<@p> as @p
    %q = route.choose <count> count(%one : !route.array<i64>) of @n per [@token] by (%k : !route.array<i64 [@n]>) up [true] -> !route.plan<@p> as @p
    %a = route.rank %p : !route.plan<@p> -> !route.array<i64 [@p]>
    %b = route.rank %q : !route.plan<@p> -> !route.array<i64 [@p]>
    // expected-error @below {{two different runs of axis 'p' meet}}
    %s = route.binary <add> %a, %b : !route.array<i64 [@p]>, !route.array<i64 [@p]>
    route.return %s : !route.array<i64 [@p]>
  }
}

// -----

module {
  route.axis @token <index> size(1) {}
  route.axis @a <index> size(2) {}
  route.axis @b <index> size(2) {}
  route.axis @n <index> size(2) {}
  route.axis @p <plan> in [@token, @n] {}
  route.func @f <route> () -> !route.plan<@p> {
    %t = route.constant 0 : i64 as !route.array<i64 [@a, @b]>
    // expected-error @below {{the table has two axes besides the per axes: 'a' and 'b'}}
    %p = route.choose <listed> of @n per [@token] up [] table(%t : !route.array<i64 [@a, @b]>) -> !route.plan<@p> as @p
    route.return %p : !route.plan<@p>
  }
}

// -----

module {
  route.axis @task <index> size(1) {}
  route.axis @tools <pool> size(2) {}
  route.axis @links <pool> size(2) {}
  route.axis @p <plan> in [@task, @links] {}
  route.func @f <route> () -> !route.plan<@p> {
    %from = route.constant dense<[0, 1]> : tensor<2xi64> as !route.array<!route.ref<@tools> [@links]>
    %to = route.constant dense<[1, 0]> : tensor<2xi64> as !route.array<!route.ref<@tools> [@links]>
    %c = route.constant -1.0 : f32 as !route.array<f32 [@links]>
    %start = route.constant 0 : i64 as !route.array<!route.ref<@tools> [@task]>
    // expected-error @below {{a round trip has a negative cost, so no path is cheapest}}
    %p = route.choose <path> of @links per [@task] by (%c : !route.array<f32 [@links]>) up [true]
      table(%from, %to : !route.array<!route.ref<@tools> [@links]>, !route.array<!route.ref<@tools> [@links]>)
      ends(%start, %start : !route.array<!route.ref<@tools> [@task]>, !route.array<!route.ref<@tools> [@task]>) -> !route.plan<@p> as @p
    route.return %p : !route.plan<@p>
  }
}

// -----

// A handler that fails leaves no trace of its writes.
module attributes {interp.script = ["emit tick", "state total"]} {
  route.state @total : !route.array<i64>
  // expected-error @below {{signal 'x' is not bound}}
  route.signal @x : !route.array<i64>
  route.func @tick <handler> () attributes {event = "tick"} {
    %c = route.constant 5 : i64 as !route.array<i64>
    route.set @total, %c : !route.array<i64>
    %x = route.get @x : !route.array<i64>
    route.return
  }
}

// -----

// expected-error @below {{'nothing' is no function}}
module attributes {interp.script = ["run nothing"]} {
}

// -----

module attributes {interp.script = ["run f"]} {
  // expected-error @below {{argument 0 ('arg0') of 'f' is not given}}
  route.func @f <route> (%x: !route.array<f32>) -> !route.array<f32> {
    route.return %x : !route.array<f32>
  }
}

// -----

// What meets within an axis has to know how many positions it has.
module attributes {interp.inputs = {x = dense<[1.0, 2.0]> : tensor<2xf32>}, interp.script = ["run f"]} {
  route.axis @doc <index> {}
  route.axis @token <index> in [@doc] {}
  route.axis @other <copy> in [@doc] of @token {}
  route.signal @x : !route.array<f32 [@token]>
  route.func @f <route> () -> !route.array<f32 [@token]> {
    %x = route.get @x : !route.array<f32 [@token]>
    %y = route.rename %x [@token] to [@other] : <f32 [@token]> to <f32 [@other]>
    %both = route.broadcast %y : <f32 [@other]> to <f32 [@token, @other]>
    // expected-error @below {{the size of axis 'doc' is not known; bind an input over it}}
    %s = route.reduce <sum> %both : <f32 [@token, @other]> to <f32 [@token]>
    route.return %s : !route.array<f32 [@token]>
  }
}

// -----

// An axis is not sized behind the back of what lies in it.
module attributes {interp.inputs = {x = dense<[1.0, 2.0]> : tensor<2xf32>, y = dense<[1.0, 2.0]> : tensor<2xf32>}} {
  // expected-error @below {{axis 'doc' is given after 'token', which lies in it; give the counts of 'token' first}}
  route.axis @doc <index> {}
  route.axis @token <index> in [@doc] {}
  route.signal @x : !route.array<f32 [@token]>
  route.signal @y : !route.array<f32 [@doc]>
}
