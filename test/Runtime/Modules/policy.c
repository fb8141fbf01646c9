/* A hand-written module: a request policy over text.
 * It has unknown signals, a default, random draws, notes, a rejection, and
 * models that cool down after a failure. It stands in for generated code in the
 * runtime's tests. */
#include "route/route_module.h"

#include <string.h>

enum { REQUEST, MODELS, RANK, DIM, NUM_AXES };
enum { SMALL, CODER, LARGE, NUM_MODELS };

static const char *const model_names[] = {"small", "coder", "large"};
static const route_axis_desc axes[] = {
    {"request", -1, 4096, 0, 0, -1, 0},
    {"models", NUM_MODELS, -1, 0, model_names, -1, 0},
    {"pick.rank", 1, -1, 0, 0, -1, 0},
    {"dim", 3, -1, 0, 0, -1, 0},
};
static const char *const tier_members[] = {"free", "pro"};
static const char *const effort_members[] = {"off", "medium", "high"};
static const route_enum_desc enums[] = {{"tier", tier_members, 2},
                                        {"effort", effort_members, 3}};

static const uint32_t a_request_rank[] = {REQUEST, RANK};
static const uint32_t a_request_dim[] = {REQUEST, DIM};
static const uint32_t a_models[] = {MODELS};

#define NUMBER(E, FLAGS, UNIT) {E, FLAGS, -1, -1, UNIT}

static const int64_t context_sizes[] = {8000, 32000, 128000};
static const route_text vendors[] = {{"acme", 4}, {"acme", 4}, {"zenith", 6}};
static const route_attribute_desc attributes[] = {
    {"context", NUMBER(ROUTE_I64, 0, "tok"), a_models, 1, context_sizes,
     ROUTE_ATTRIBUTE_CONST, -1},
    {"vendor", NUMBER(ROUTE_TEXT, 0, 0), a_models, 1, vendors,
     ROUTE_ATTRIBUTE_CONST, -1},
    {"cool", NUMBER(ROUTE_I64, 0, "ns"), a_models, 1, 0, ROUTE_ATTRIBUTE_STATE,
     0},
};
static const route_pool_desc pools[] = {{"models", attributes, 3, MODELS, 0}};

static const route_state_desc states[] = {
    {"models.cool", 0, 0, NUMBER(ROUTE_I64, 0, "ns"), a_models, 1, 0, 0, 0}};

static const int32_t effort_off = 0;
static const route_note_desc notes[] = {
    {"effort", {ROUTE_I32, 0, 1, -1, 0}, &effort_off}};
static const route_budget_desc budgets[] = {{"daily", "user", "day", "$2"}};
static const route_reject_desc rejects[] = {{"exhausted", 429}};

/*===--- pick
 * ----------------------------------------------------------------===*/

enum { I_PROMPT, I_TIER, I_JAIL, I_MAX_OUT, I_EMBED, I_ID };
enum { O_INDEX, O_COUNT, O_STATUS, O_EFFORT, O_WORD, O_NEEDS, O_SCORE };

static uint64_t mix(uint64_t x) {
  x ^= x >> 33;
  x *= UINT64_C(0xff51afd7ed558ccd);
  x ^= x >> 33;
  return x;
}

static int contains(route_text text, const char *word) {
  int64_t size = (int64_t)strlen(word);
  for (int64_t i = 0; i + size <= text.size; ++i)
    if (memcmp(text.data + i, word, (size_t)size) == 0)
      return 1;
  return 0;
}

static int32_t pick(const route_invocation *call) {
  const route_buffer *in = call->inputs, *out = call->outputs;
  const int64_t *cool = call->state[0];
  for (int64_t i = 0; i < call->axis_sizes[REQUEST]; ++i) {
    route_text prompt = ((const route_text *)in[I_PROMPT].data)[i];
    int pro = ((const int32_t *)in[I_TIER].data)[i] == 1;
    int jail_known = in[I_JAIL].known[i];
    int jail = ((const uint8_t *)in[I_JAIL].data)[i];
    int64_t max_out = ((const int64_t *)in[I_MAX_OUT].data)[i];
    uint64_t id = ((const uint64_t *)in[I_ID].data)[i];
    int code = contains(prompt, "def ");

    int32_t row = -1;
    if (code && !pro && !jail_known)
      row = -2; /* cannot be told without the signal */
    else if (jail_known && jail)
      row = -1;
    else if (code)
      row = CODER;
    else if (pro)
      row = LARGE;
    else /* a draw keyed by the item */
      row = mix(call->env->seed ^ mix(id)) & 1 ? SMALL : CODER;
    if (row >= 0 && (cool[row] > call->env->now ||
                     prompt.size / 4 + max_out > context_sizes[row]))
      row = -1;

    int64_t space = 0;
    while (space < prompt.size && prompt.data[space] != ' ')
      ++space;
    ((int32_t *)out[O_INDEX].data)[i] = row < 0 ? -1 : row;
    ((int32_t *)out[O_COUNT].data)[i] = row >= 0;
    ((int64_t *)out[O_STATUS].data)[i] = row >= 0 ? 0 : 429;
    ((int32_t *)out[O_EFFORT].data)[i] = row == LARGE ? 2 : row == CODER;
    route_text word = {prompt.data, space};
    ((route_text *)out[O_WORD].data)[i] = word;
    ((uint64_t *)out[O_NEEDS].data)[i] = row == -2 ? 1u << I_JAIL : 0;
    int embed_known = in[I_EMBED].known[i];
    const float *e = (const float *)in[I_EMBED].data + i * 3;
    out[O_SCORE].known[i] = (uint8_t)embed_known;
    ((float *)out[O_SCORE].data)[i] = embed_known ? e[0] + e[1] + e[2] : 0;
  }
  return 0;
}

static const int64_t default_out = 1000;
static const route_port_desc pick_inputs[] = {
    {"prompt", NUMBER(ROUTE_TEXT, 0, 0), a_request_rank, 1, 0, 0, 0,
     ROUTE_ROLE_DATA, -1, 0},
    {"tier",
     {ROUTE_I32, 0, 0, -1, 0},
     a_request_rank,
     1,
     0,
     0,
     0,
     ROUTE_ROLE_DATA,
     -1,
     0},
    {"jail", NUMBER(ROUTE_BOOL, ROUTE_TYPE_MAY_BE_UNKNOWN, 0), a_request_rank,
     1, 0, 20000000, 1, ROUTE_ROLE_HOST, -1, 0},
    {"max_out", NUMBER(ROUTE_I64, 0, "tok"), a_request_rank, 1, &default_out, 0,
     0, ROUTE_ROLE_DATA, -1, 0},
    {"embed", NUMBER(ROUTE_F32, ROUTE_TYPE_MAY_BE_UNKNOWN, 0), a_request_dim, 2,
     0, 8000000, 1, ROUTE_ROLE_HOST, -1, 0},
    {"id", NUMBER(ROUTE_U64, 0, 0), a_request_rank, 1, 0, 0, 0, ROUTE_ROLE_ID,
     -1, 0},
};
static const route_port_desc pick_outputs[] = {
    {"pick",
     {ROUTE_I32, 0, -1, MODELS, 0},
     a_request_rank,
     2,
     0,
     0,
     0,
     ROUTE_ROLE_PLAN_INDEX,
     0,
     0},
    {"pick.count", NUMBER(ROUTE_I32, 0, 0), a_request_rank, 1, 0, 0, 0,
     ROUTE_ROLE_PLAN_COUNT, 0, 0},
    {"pick.status", NUMBER(ROUTE_I64, 0, 0), a_request_rank, 1, 0, 0, 0,
     ROUTE_ROLE_PLAN_STATUS, 0, 0},
    {"effort",
     {ROUTE_I32, 0, 1, -1, 0},
     a_request_rank,
     1,
     0,
     0,
     0,
     ROUTE_ROLE_NOTE,
     0,
     0},
    {"word", NUMBER(ROUTE_TEXT, 0, 0), a_request_rank, 1, 0, 0, 0,
     ROUTE_ROLE_DATA, -1, 0},
    {"needs", NUMBER(ROUTE_U64, 0, 0), a_request_rank, 1, 0, 0, 0,
     ROUTE_ROLE_NEEDS, -1, 0},
    {"score", NUMBER(ROUTE_F32, ROUTE_TYPE_MAY_BE_UNKNOWN, 0), a_request_rank,
     1, 0, 0, 1, ROUTE_ROLE_DATA, -1, 0},
};
static const uint32_t state_cool[] = {0};
static const route_variant_desc pick_variants[] = {
    {"portable", pick, 0, ROUTE_DEVICE_CPU, 0, 0, 0, 0, 0}};

/*===--- failure: an event
 * ----------------------------------------------------===*/

static int32_t failure(const route_invocation *call) {
  int32_t model = *(const int32_t *)call->inputs[0].data;
  ((int64_t *)call->state[0])[model] = call->env->now + INT64_C(30000000000);
  return 0;
}

static const route_port_desc failure_inputs[] = {
    {"model",
     {ROUTE_I32, 0, -1, MODELS, 0},
     0,
     0,
     0,
     0,
     0,
     ROUTE_ROLE_DATA,
     -1,
     0},
};
static const route_variant_desc failure_variants[] = {
    {"portable", failure, 0, ROUTE_DEVICE_CPU, 0, 0, 0, 0, 0}};

static const route_entry_desc entries[] = {
    {"pick", "which model takes the request", pick_inputs, 6, pick_outputs, 7,
     state_cool, 1, 0, 0, 0, pick_variants, 1, ROUTE_ENTRY_ROUTER, REQUEST},
    {"failure", 0, failure_inputs, 1, 0, 0, 0, 0, state_cool, 1, 0,
     failure_variants, 1, ROUTE_ENTRY_EVENT, -1},
};

__attribute__((visibility("default")))
const route_module_desc route_module_v1 = {
    ROUTE_MODULE_MAGIC,
    ROUTE_MODULE_ABI_VERSION,
    sizeof(route_module_desc),
    "policy",
    "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100",
    "by hand",
    "15.0.0",
    "x86_64-unknown-linux-gnu",
    0,
    axes,
    NUM_AXES,
    enums,
    2,
    pools,
    1,
    0,
    0,
    states,
    1,
    notes,
    1,
    budgets,
    1,
    rejects,
    1,
    entries,
    2};
