/* A hand-written module: a top-2 token router.
 * It has packed and stacked parameters, state, an event, a derived axis and a
 * ragged entry. It stands in for generated code in the runtime's tests. */
#include "route/route_module.h"

#include <string.h>

enum { TOKEN, EXPERTS, HIDDEN, RANK, SLOT, LAYERS, IMAGE, PATCH, NUM_AXES };
enum { NUM_EXPERTS = 8, NUM_HIDDEN = 4, K = 2 };

static int64_t slots(const int64_t *sizes) {
  return (sizes[TOKEN] * K + NUM_EXPERTS - 1) / NUM_EXPERTS;
}

static const char *const expert_names[] = {"ada", "bob", "cyd", "dan",
                                           "eve", "fay", "gus", "hal"};
static const char *const layer_names[] = {"low", "high"};

static const route_axis_desc axes[] = {
    {"token", -1, 1 << 20, 0, 0, -1, 0},
    {"experts", NUM_EXPERTS, -1, 0, expert_names, -1, 0},
    {"hidden", NUM_HIDDEN, -1, 0, 0, -1, 0},
    {"p.rank", K, -1, 0, 0, -1, 0},
    {"slot", -1, -1, slots, 0, -1, 0},
    {"layers", 2, -1, 0, layer_names, -1, 0},
    {"image", -1, -1, 0, 0, -1, 0},
    {"patch", -1, -1, 0, 0, IMAGE, ROUTE_AXIS_RAGGED},
};

static const uint32_t a_token_hidden[] = {TOKEN, HIDDEN};
static const uint32_t a_token_rank[] = {TOKEN, RANK};
static const uint32_t a_expert_hidden[] = {EXPERTS, HIDDEN};
static const uint32_t a_expert_slot[] = {EXPERTS, SLOT};
static const uint32_t a_layer_hidden[] = {LAYERS, HIDDEN};

#define NUMBER(E) {E, 0, -1, -1, 0}
#define ROWS(AXIS) {ROUTE_I32, 0, -1, AXIS, 0}

/* Packed as [hidden][16]: one panel of sixteen experts, eight of them padding.
 */
static void pack_gate(const void *source, void *packed, int64_t slice) {
  const float *from = source;
  float *to = packed;
  for (int e = 0; e < NUM_EXPERTS; ++e)
    for (int h = 0; h < NUM_HIDDEN; ++h)
      to[h * 16 + e] = from[e * NUM_HIDDEN + h];
  (void)slice;
}

enum { P_GATE, P_SCALE, P_NORM };
static const route_param_desc params[] = {
    {"gate", 0, "gate.weight", NUMBER(ROUTE_F32), a_expert_hidden, 2,
     NUM_HIDDEN * 16 * sizeof(float), pack_gate, ROUTE_LAYOUT_PANELS_F32, 0},
    {"scale", 0, "gate.scale", NUMBER(ROUTE_F32), a_expert_hidden, 1, 0, 0,
     ROUTE_LAYOUT_ROW_MAJOR, 0},
    {"norm", "norms.safetensors", "layer.{layers}.{layers.name}",
     NUMBER(ROUTE_F32), a_layer_hidden, 2, 0, 0, ROUTE_LAYOUT_ROW_MAJOR, 0},
};

enum { S_BIAS, S_USES };
static const uint32_t one_use = 1;
static const route_state_desc states[] = {
    {"bias", 0, "gate.bias", NUMBER(ROUTE_F32), a_expert_hidden, 1, 0, 0, 0},
    {"uses", 0, 0, NUMBER(ROUTE_U32), a_expert_hidden, 1, &one_use,
     ROUTE_STATE_SPLAT, 0},
};

/*===--- gate
 * --------------------------------------------------------------===*/

static uint64_t gate_workspace(const int64_t *sizes, int64_t workers) {
  (void)sizes;
  return (uint64_t)workers * NUM_EXPERTS * sizeof(float);
}

struct gate_args {
  const route_invocation *call;
};

static void gate_tokens(void *argument, int64_t begin, int64_t end,
                        int64_t worker) {
  const route_invocation *call = ((struct gate_args *)argument)->call;
  float *scores = (float *)call->workspace + worker * NUM_EXPERTS;
  const float *w = call->params[P_GATE], *scale = call->params[P_SCALE];
  const float *bias = call->state[S_BIAS];
  int32_t *index = call->outputs[0].data, *count = call->outputs[1].data;
  int64_t *status = call->outputs[2].data;
  float *weight = call->outputs[3].data;
  for (int64_t t = begin; t < end; ++t) {
    const float *x = (const float *)call->inputs[0].data + t * NUM_HIDDEN;
    for (int e = 0; e < NUM_EXPERTS; ++e) {
      scores[e] = 0;
      for (int h = 0; h < NUM_HIDDEN; ++h)
        scores[e] += x[h] * w[h * 16 + e];
      scores[e] *= scale[e];
    }
    int chosen[K] = {-1, -1};
    for (int r = 0; r < K; ++r)
      for (int e = 0; e < NUM_EXPERTS; ++e)
        if (e != chosen[0] &&
            (chosen[r] < 0 ||
             scores[e] + bias[e] > scores[chosen[r]] + bias[chosen[r]]))
          chosen[r] = e;
    for (int r = 0; r < K; ++r) {
      index[t * K + r] = chosen[r];
      weight[t * K + r] = scores[chosen[r]];
    }
    count[t] = K;
    status[t] = 0;
  }
}

static int32_t gate(const route_invocation *call) {
  struct gate_args args = {call};
  call->env->parallel_for(call->env->pool, call->axis_sizes[TOKEN], 4,
                          gate_tokens, &args);
  return 0;
}

static int32_t never(const route_invocation *call) {
  (void)call;
  return 99;
}

static const route_port_desc gate_inputs[] = {
    {"x", NUMBER(ROUTE_F32), a_token_hidden, 2, 0, 0, 0, ROUTE_ROLE_DATA, -1,
     0},
};
static const route_port_desc plan[] = {
    {"p", ROWS(EXPERTS), a_token_rank, 2, 0, 0, 0, ROUTE_ROLE_PLAN_INDEX, 0, 0},
    {"p.count", NUMBER(ROUTE_I32), a_token_rank, 1, 0, 0, 0,
     ROUTE_ROLE_PLAN_COUNT, 0, 0},
    {"p.status", NUMBER(ROUTE_I64), a_token_rank, 1, 0, 0, 0,
     ROUTE_ROLE_PLAN_STATUS, 0, 0},
    {"p.weight", NUMBER(ROUTE_F32), a_token_rank, 2, 0, 0, 0,
     ROUTE_ROLE_PLAN_COLUMN, 0, 0},
};
static const uint32_t reads_bias[] = {S_BIAS};
static const route_variant_desc gate_variants[] = {
    {"from the future", never, UINT64_C(1) << 62, ROUTE_DEVICE_CPU, 0, 0, 0, 0,
     0},
    {"v3", gate, ROUTE_CPU_X86_64_V3, ROUTE_DEVICE_CPU, 0, 0, 0, 0, 0},
    {"portable", gate, 0, ROUTE_DEVICE_CPU, 0, 0, 0, 0, 0},
};

/*===--- commit: an event
 * --------------------------------------------------===*/

static void note(route_changes *changes, const void *start, uint64_t size) {
  if (changes && changes->count++ < changes->capacity)
    ((route_change *)(changes + 1))[changes->count - 1] =
        (route_change){start, size};
}

/* Lists what it changes where the first row is even, changes of which one is
 * nowhere in the state where it is 2, and more than fit where it is 6: then all
 * counts as changed. */
static int32_t commit(const route_invocation *call) {
  const int32_t *index = call->inputs[0].data, *count = call->inputs[1].data;
  float *bias = call->state[S_BIAS];
  uint32_t *uses = call->state[S_USES];
  int32_t code = *(const int32_t *)call->inputs[2].data;
  route_changes *changes = index[0] % 2 == 0 ? call->env->changes : 0;
  if (changes)
    changes->count = 0;
  if (index[0] == 2)
    note(changes, index, 4);
  if (index[0] == 6 && changes)
    changes->count = changes->capacity;
  for (int64_t t = 0; t < call->axis_sizes[TOKEN]; ++t)
    for (int r = 0; r < count[t]; ++r)
      if (index[t * K + r] >= 0) {
        bias[index[t * K + r]] -= 0.25f;
        uses[index[t * K + r]] += 1;
        note(changes, bias + index[t * K + r], sizeof(*bias));
        note(changes, uses + index[t * K + r], sizeof(*uses));
      }
  return code; /* nonzero: all of the above must not have happened */
}

static const int32_t code_zero = 0;
static const route_port_desc commit_inputs[] = {
    {"p", ROWS(EXPERTS), a_token_rank, 2, 0, 0, 0, ROUTE_ROLE_PLAN_INDEX, 0, 0},
    {"p.count", NUMBER(ROUTE_I32), a_token_rank, 1, 0, 0, 0,
     ROUTE_ROLE_PLAN_COUNT, 0, 0},
    {"fail_with", NUMBER(ROUTE_I32), 0, 0, &code_zero, 0, 0, ROUTE_ROLE_DATA,
     -1, 0},
};
static const uint32_t writes_both[] = {S_BIAS, S_USES};
static const route_variant_desc commit_variants[] = {
    {"portable", commit, 0, ROUTE_DEVICE_CPU, 0, 0, 0, 0, 0}};

/*===--- fill: a derived axis, a stacked parameter
 * ---------------------------===*/

static int32_t fill(const route_invocation *call) {
  int64_t slot = call->axis_sizes[SLOT];
  int32_t *table = call->outputs[0].data;
  float *norm = call->outputs[1].data;
  for (int64_t i = 0; i < NUM_EXPERTS * slot; ++i)
    table[i] = (int32_t)(i % slot);
  memcpy(norm, call->params[P_NORM], 2 * NUM_HIDDEN * sizeof(float));
  return 0;
}

static const route_port_desc fill_outputs[] = {
    {"table", ROWS(TOKEN), a_expert_slot, 2, 0, 0, 0, ROUTE_ROLE_DATA, -1, 0},
    {"norm", NUMBER(ROUTE_F32), a_layer_hidden, 2, 0, 0, 0, ROUTE_ROLE_DATA, -1,
     0},
};
static const route_variant_desc fill_variants[] = {
    {"portable", fill, 0, ROUTE_DEVICE_CPU, 0, 0, 0, 0, 0}};

/*===--- per_image: a ragged axis
 * --------------------------------------------===*/

static const uint32_t a_image[] = {IMAGE};
static const uint32_t a_patch[] = {PATCH};

static int32_t per_image(const route_invocation *call) {
  const int32_t *offsets = call->inputs[0].data;
  const float *x = call->inputs[1].data;
  float *sum = call->outputs[0].data;
  for (int64_t i = 0; i < call->axis_sizes[IMAGE]; ++i) {
    sum[i] = 0;
    for (int32_t p = offsets[i]; p < offsets[i + 1]; ++p)
      sum[i] += x[p];
  }
  return 0;
}

static const route_port_desc per_image_inputs[] = {
    {"patch.offsets", NUMBER(ROUTE_I32), a_image, 1, 0, 0, 0,
     ROUTE_ROLE_OFFSETS, PATCH, 0},
    {"x", NUMBER(ROUTE_F32), a_patch, 1, 0, 0, 0, ROUTE_ROLE_DATA, -1, 0},
};
static const route_port_desc per_image_outputs[] = {
    {"sum", NUMBER(ROUTE_F32), a_image, 1, 0, 0, 0, ROUTE_ROLE_DATA, -1, 0},
};
static const route_variant_desc per_image_variants[] = {
    {"portable", per_image, 0, ROUTE_DEVICE_CPU, 0, 0, 0, 0, 0}};

static const route_entry_desc entries[] = {
    {"gate", "two experts for each token", gate_inputs, 1, plan, 4, reads_bias,
     1, 0, 0, gate_workspace, gate_variants, 3, ROUTE_ENTRY_ROUTER, TOKEN},
    {"gate.commit", 0, commit_inputs, 3, 0, 0, 0, 0, writes_both, 2, 0,
     commit_variants, 1, ROUTE_ENTRY_EVENT, -1},
    {"fill", 0, gate_inputs, 1, fill_outputs, 2, 0, 0, 0, 0, 0, fill_variants,
     1, ROUTE_ENTRY_ROUTE, -1},
    {"per_image", 0, per_image_inputs, 2, per_image_outputs, 1, 0, 0, 0, 0, 0,
     per_image_variants, 1, ROUTE_ENTRY_ROUTE, IMAGE},
};

__attribute__((visibility("default")))
const route_module_desc route_module_v1 = {
    ROUTE_MODULE_MAGIC,
    ROUTE_MODULE_ABI_VERSION,
    sizeof(route_module_desc),
    "top2",
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    "by hand",
    "",
    "x86_64-unknown-linux-gnu",
    0,
    axes,
    NUM_AXES,
    0,
    0,
    0,
    0,
    params,
    3,
    states,
    2,
    0,
    0,
    0,
    0,
    0,
    0,
    entries,
    4};
