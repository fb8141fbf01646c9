/* A module that breaks one promise of the contract.
 * FAULT chooses which; the conformance checks are to find it. SAID are flags of
 * the plan's weights. */
#include "route/route_module.h"

#ifndef SAID
#define SAID 0
#endif

enum { ITEM, RANK, EXPERT };
enum {
  PAST_THE_END = 1,
  UNWRITTEN,
  INTO_INPUT,
  WORKSPACE,
  THREADS,
  ROWS,
  PADDING,
  REJECTED,
  ITEMS,
  MEMBERS,
  RANDOM
};

static const route_axis_desc axes[] = {{"item", -1, -1, 0, 0, -1, 0},
                                       {"rank", 2, -1, 0, 0, -1, 0},
                                       {"expert", 3, -1, 0, 0, -1, 0}};
static const char *const colours[] = {"red", "green"};
static const route_enum_desc enums[] = {{"colour", colours, 2}};
static const uint32_t item_rank[] = {ITEM, RANK};

static uint64_t workspace(const int64_t *sizes, int64_t workers) {
  (void)sizes;
  return (uint64_t)workers * 8;
}

static void body(void *argument, int64_t begin, int64_t end, int64_t worker) {
  const route_invocation *call = argument;
  float *x = call->inputs[0].data;
  int32_t *index = call->outputs[0].data, *count = call->outputs[1].data;
  int64_t *status = call->outputs[2].data;
  int32_t *colour = call->outputs[4].data;
  float *weight = call->outputs[3].data;
  for (int64_t i = begin; i < end; ++i) {
    count[i] = 1;
    index[2 * i] = x[i] > 0;
    index[2 * i + 1] = -1;
    weight[2 * i] = 1;
    weight[2 * i + 1] = 0;
    status[i] = 0;
    colour[i] = x[i] > 0;
    if (FAULT == UNWRITTEN)
      return;
    if (FAULT == THREADS)
      weight[2 * i] = (float)(i - begin);
    if (FAULT == ROWS)
      index[2 * i] = 3;
    if (FAULT == PADDING)
      index[2 * i + 1] = 0;
    if (FAULT == REJECTED)
      status[i] = 429;
    if (FAULT == MEMBERS)
      colour[i] = 2;
    if (FAULT == ITEMS)
      weight[2 * i] =
          x[call->axis_sizes[ITEM] - 1] + (float)call->axis_sizes[ITEM];
  }
  (void)worker;
}

static int32_t run(const route_invocation *call) {
  int64_t items = call->axis_sizes[ITEM];
  call->env->parallel_for(call->env->pool, items, 1, body, (void *)call);
  if (FAULT == PAST_THE_END)
    ((float *)call->outputs[3].data)[2 * items] = 1;
  if (FAULT == INTO_INPUT && items)
    ((float *)call->inputs[0].data)[0] = 77;
  if (FAULT == WORKSPACE && items)
    ((float *)call->outputs[3].data)[0] =
        ((const unsigned char *)call->workspace)[0];
  static float counter;
  if (FAULT == RANDOM && items)
    ((float *)call->outputs[3].data)[0] = counter += 1;
  return 0;
}

#define NUMBER(E) {E, 0, -1, -1, 0}
static const route_port_desc inputs[] = {
    {"x", NUMBER(ROUTE_F32), item_rank, 1, 0, 0, 0, ROUTE_ROLE_DATA, -1, 0}};
static const route_port_desc outputs[] = {
    {"p",
     {ROUTE_I32, 0, -1, EXPERT, 0},
     item_rank,
     2,
     0,
     0,
     0,
     ROUTE_ROLE_PLAN_INDEX,
     0,
     0},
    {"p.count", NUMBER(ROUTE_I32), item_rank, 1, 0, 0, 0, ROUTE_ROLE_PLAN_COUNT,
     0, 0},
    {"p.status", NUMBER(ROUTE_I64), item_rank, 1, 0, 0, 0,
     ROUTE_ROLE_PLAN_STATUS, 0, 0},
    {"p.weight",
     {ROUTE_F32, SAID, -1, -1, 0},
     item_rank,
     2,
     0,
     0,
     0,
     ROUTE_ROLE_PLAN_COLUMN,
     0,
     0},
    {"colour",
     {ROUTE_I32, 0, 0, -1, 0},
     item_rank,
     1,
     0,
     0,
     0,
     ROUTE_ROLE_DATA,
     -1,
     0}};
static const route_variant_desc variants[] = {
    {"portable", run, 0, ROUTE_DEVICE_CPU, 0, 0, 0, 0, 0}};
static const route_entry_desc entries[] = {{"run", 0, inputs, 1, outputs, 5, 0,
                                            0, 0, 0, workspace, variants, 1,
                                            ROUTE_ENTRY_ROUTER, ITEM}};

__attribute__((visibility("default")))
const route_module_desc route_module_v1 = {ROUTE_MODULE_MAGIC,
                                           ROUTE_MODULE_ABI_VERSION,
                                           sizeof(route_module_desc),
                                           "careless",
                                           "00",
                                           "by hand",
                                           "",
                                           "x86_64-unknown-linux-gnu",
                                           0,
                                           axes,
                                           3,
                                           enums,
                                           1,
                                           0,
                                           0,
                                           0,
                                           0,
                                           0,
                                           0,
                                           0,
                                           0,
                                           0,
                                           0,
                                           0,
                                           0,
                                           entries,
                                           1};
