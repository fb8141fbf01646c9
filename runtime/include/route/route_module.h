/* The contract between generated code and runtime.
 *
 * A compiled .route library exports one symbol, `route_module_v1`: a constant
 * description of itself. This header says what it looks like and how its
 * functions are called, so that the code generator, the runtime and the
 * interpreter agree on every byte.
 *
 * Rules that hold for every table below
 *   - Everything is constant data; pointers are relocations. There are no
 *     constructors, and no undefined symbols besides what the C library's
 *     math and memory functions need.
 *   - No struct has implicit padding: the offsets are checked at the end of
 *     this file, so an LLVM struct of the same fields in the same order is the
 *     same bytes.
 *   - "Index" means an index into the module's table of that kind; -1 is none.
 *   - Strings are UTF-8, end with NUL and are never null unless said so.
 *   - A table of zero entries may have a null pointer.
 *
 * What the runtime promises to an entry function
 *   - Every tensor has been checked: element type, rank, one size per axis,
 *     contiguous, on the right device, aligned to its element. Generated code
 *     validates nothing.
 *   - Ragged offsets start at 0, never decrease and end at the axis's size.
 *   - Row indices and enum values in inputs lie in their range where known.
 *   - Packed parameters, state cells and the workspace are aligned to 64 bytes;
 *     inputs, outputs and unpacked parameters only to their element.
 *   - A buffer of zero elements may have any pointer, null included.
 *   - Where a variant is for a device, inputs, outputs, parameters and the
 *     workspace are in its memory, aligned to 16 bytes, and parameters are
 *     row-major, those in 4 bits as bf16, whatever layout variants for the CPU
 *     read. Values of inputs have not been looked at. Ports that the variant
 *     lists in `host_ports` are in memory of the host, as those of variants for
 *     the CPU are, and their values have been looked at.
 *
 * What an entry function promises
 *   - It is re-entrant, allocates nothing, does no input or output, never
 *     aborts and writes only its outputs (every element of them), its workspace
 *     and, in an event, the state cells listed in `writes`. Equal inputs give
 *     equal bytes out, whatever the workspace held and however loops were
 * shared out.
 */
#ifndef ROUTE_ROUTE_MODULE_H
#define ROUTE_ROUTE_MODULE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes with any change to a struct in this file, except that fields may be
 * added at the end of route_module_desc, route_env and route_invocation, and
 * with what a host has to know to give an input. */
#define ROUTE_MODULE_ABI_VERSION 7u
#define ROUTE_MODULE_MAGIC 0x54554f52u /* "ROUT" in a little-endian word */
#define ROUTE_MODULE_SYMBOL "route_module_v1"

/*===--- Elements and types -----------------------------------------------===*/

/* An element of an array. bool is one byte, 0 or 1. A handle is an opaque u64
 * of the host's. */
enum route_element {
  ROUTE_BOOL = 1,
  ROUTE_I8 = 2,
  ROUTE_I16 = 3,
  ROUTE_I32 = 4,
  ROUTE_I64 = 5,
  ROUTE_U8 = 6,
  ROUTE_U16 = 7,
  ROUTE_U32 = 8,
  ROUTE_U64 = 9,
  ROUTE_F16 = 10,
  ROUTE_BF16 = 11,
  ROUTE_F32 = 12,
  ROUTE_F64 = 13,
  ROUTE_TEXT = 14,  /* route_text, 16 bytes */
  ROUTE_HANDLE = 15 /* uint64_t */
};

/* Bytes of text: any bytes, invalid UTF-8 reads as U+FFFD; no NUL at the end.
 * `data` may be null when size is 0. A text in an output points into an input
 * or into the module's constants. */
typedef struct route_text {
  const char *data;
  int64_t size; /* in bytes */
} route_text;

enum route_type_flags {
  /* Values may be unknown: the buffer carries known bytes. */
  ROUTE_TYPE_MAY_BE_UNKNOWN = 1u,
  /* The names of the enumeration's members are JSON: lists that a note is one
   * of. Records hold them as they are. */
  ROUTE_TYPE_JSON_MEMBERS = 2u,
  /* Of an output: what it is for one item hangs on the others, which the spec
   * reduces or chooses over. */
  ROUTE_TYPE_OTHER_ITEMS = 4u
};

typedef struct route_type_desc {
  uint32_t element;    /* enum route_element */
  uint32_t flags;      /* enum route_type_flags, or-ed */
  int32_t enumeration; /* enum index: the i32 values are its members; or -1 */
  int32_t rows_of;     /* axis index: the i32 values are its members; or -1 */
  const char *unit;    /* "tok", "$", "s", ...; null for a plain number */
} route_type_desc;

/*===--- Axes, enums, pools -----------------------------------------------===*/

enum route_axis_flags {
  /* The members of each parent are counted by an offsets input (see
   * ROUTE_ROLE_OFFSETS). Without it a nested axis has equally many members
   * under each parent member. */
  ROUTE_AXIS_RAGGED = 1u
};

/* A named axis. A nested axis is listed in arrays without its parents and its
 * size counts the members under all parents together: `experts[32] in group`
 * with 8 groups has size 256. A plan's rank axis is an axis like any other: its
 * size is the most rows an item can have. */
typedef struct route_axis_desc {
  const char *name;
  int64_t size;     /* >= 0: static; -1: known only at the call */
  int64_t max_size; /* bound of a dynamic size; -1: none */
  /* For a dynamic axis no input has to carry: its size from axes that inputs
   * carry and that stand before it in the table; -1 where these do not tell,
   * -2 where its members are no multiple of what each has; null: taken from
   * tensors. */
  int64_t (*derived_size)(const int64_t *axis_sizes);
  const char *const *members; /* `size` names in index order, or null */
  int32_t parent;             /* axis index or -1 */
  uint32_t flags;             /* enum route_axis_flags, or-ed */
} route_axis_desc;

typedef struct route_enum_desc {
  const char *name;
  const char *const *members; /* in index order */
  uint64_t num_members;
} route_enum_desc;

enum route_attribute_kind {
  ROUTE_ATTRIBUTE_CONST = 1, /* a constant column of the module */
  ROUTE_ATTRIBUTE_LIVE = 2,  /* pushed by the host; kept in a state cell */
  ROUTE_ATTRIBUTE_STATE = 3  /* written by events; kept in a state cell */
};

/* A column over the rows of a pool. */
typedef struct route_attribute_desc {
  const char *name;
  route_type_desc type;
  const uint32_t *axes; /* the pool's axis first */
  uint64_t num_axes;
  const void *values; /* const: row-major elements; else null */
  uint32_t kind;      /* enum route_attribute_kind */
  int32_t state;      /* live, state: state index; else -1 */
} route_attribute_desc;

/* A pool: an axis (its members are the rows' names) with columns. */
typedef struct route_pool_desc {
  const char *name;
  const route_attribute_desc *attributes;
  uint64_t num_attributes;
  uint32_t axis;
  uint32_t reserved; /* 0 */
} route_pool_desc;

/*===--- Parameters and state ---------------------------------------------===*/

/* How a parameter's bytes lie in memory when an entry reads them. */
enum route_layout {
  ROUTE_LAYOUT_ROW_MAJOR = 0,  /* as in the checkpoint; pack is null */
  ROUTE_LAYOUT_PANELS_F32 = 1, /* f32 [N/16][K][16] of [N, K], zero padded */
  ROUTE_LAYOUT_PANELS_BF16 = 2 /* bf16 [N/16][K/2][16][2] of [N, K], padded */
  /* 256 and above: private to the module */
};

/* Packs one checkpoint tensor. `source` is row-major and aligned to its
 * element; `packed` is the parameter's whole packed buffer, zeroed before the
 * first call; `slice` counts the checkpoint tensors stacked into this
 * parameter, row- major over the placeholders' axes (0 where there is no
 * placeholder). The slices may be packed in any order and at the same time. */
typedef void (*route_pack_fn)(const void *source, void *packed, int64_t slice);

/* How a checkpoint holds a parameter. */
enum route_stored {
  ROUTE_STORED_PLAIN = 0, /* its elements, row-major, in tensor `tensor` */
  /* bf16 numbers of 4 bits each, in two tensors: `tensor`_blocks, u8, the last
   * dimension K as [K/32, 16], two numbers a byte, the first in the low half;
   * `tensor`_scales, u8, K as [K/32], the powers of two of 32 numbers, plus
   * 127. Binding unpacks them. */
  ROUTE_STORED_MXFP4 = 1
};

/* A parameter, bound by name to tensors of a safetensors file. All its axes
 * have static sizes. `tensor` may hold placeholders `{axis}`: each stands for
 * the member's index (`{axis.name}` for its name) of one of the parameter's
 * leading axes, and every leading axis up to the last placeholder's must have
 * one; the checkpoint then has one tensor per combination, over the remaining
 * axes. */
typedef struct route_param_desc {
  const char *name;
  const char *file;     /* the file's label in the source; null: the default */
  const char *tensor;   /* the checkpoint's tensor name */
  route_type_desc type; /* the element type once bound */
  const uint32_t *axes; /* the checkpoint's dimensions, stacked axes first */
  uint64_t num_axes;
  uint64_t packed_size; /* bytes; 0 where pack is null */
  route_pack_fn pack;   /* null: the entry reads the checkpoint's own bytes */
  uint32_t layout;      /* enum route_layout */
  uint32_t stored;      /* enum route_stored */
} route_param_desc;

enum route_state_flags {
  ROUTE_STATE_SPLAT = 1u /* `initial` is one element, repeated */
};

/* A state cell: a row-major array that only events write. A dynamic axis counts
 * its max_size members. Elements are numbers, bools or handles. */
typedef struct route_state_desc {
  const char *name;
  const char *file;   /* as in route_param_desc */
  const char *tensor; /* initial value from a checkpoint, or null */
  route_type_desc type;
  const uint32_t *axes;
  uint64_t num_axes;
  const void *initial; /* initial value where tensor is null; null: zeros */
  uint32_t flags;      /* enum route_state_flags, or-ed */
  /* Of a table: a hash of what its keys and values are, which its elements,
   * words, do not say. Words of another meaning are not carried over. 0: what
   * is above says all. */
  uint32_t meaning;
} route_state_desc;

/*===--- Notes, budgets, reject reasons: for people and tools -------------===*/

typedef struct route_note_desc {
  const char *name;
  route_type_desc type;
  const void *initial; /* one element: the default, or null */
} route_note_desc;

typedef struct route_budget_desc {
  const char *name;
  const char *per;    /* "user", "m.provider"; "" for one ledger */
  const char *window; /* "call", "day \"UTC\"", ... */
  const char *limit;  /* "$2", "100k tok" */
} route_budget_desc;

typedef struct route_reject_desc {
  const char *reason; /* of every refusal with this code */
  int64_t code;       /* the status an item gets; never 0 */
} route_reject_desc;

/*===--- Entries ----------------------------------------------------------===*/

enum route_port_role {
  ROUTE_ROLE_DATA = 0,
  /* Input, i32 or i64 [parents + 1]: offsets of the ragged axis `subject`; its
   * one listed axis is the parent. */
  ROUTE_ROLE_OFFSETS = 1,
  /* Input, u64 over the item axis, where no other tells how many items there
   * are: their ids, no part of draws. Not given, they are the call's id + i. */
  ROUTE_ROLE_ID = 2,
  /* Outputs of plan number `subject` of this entry, all rows of them written.
   * As inputs (an event that takes a plan), the same columns handed back. */
  ROUTE_ROLE_PLAN_INDEX =
      3, /* i32, last axis the plan's rank axis; type.rows_of
            names the chosen axis; rows >= count are -1 */
  ROUTE_ROLE_PLAN_COUNT = 4, /* i32, without the rank axis: rows chosen */
  ROUTE_ROLE_PLAN_STATUS =
      5, /* i64, over the items: 0, or the code of the refusal */
  ROUTE_ROLE_PLAN_COLUMN = 6, /* a column of the plan, rank axis last but for
                                 the column's own; rows >= count are zero */
  /* Output: a note of the decision; `subject` is the note's index. */
  ROUTE_ROLE_NOTE = 7,
  /* Output, u64 over the item axis: bit i set: input i is needed to decide this
   * item and was unknown. Its plan outputs then mean nothing. */
  ROUTE_ROLE_NEEDS = 8,
  /* Input: a host call's result; `timeout_ns` says how long it is waited for.
   */
  ROUTE_ROLE_HOST = 9,
  /* Input, bool: at which positions there is a list, where there may be none.
   * `subject` is the input that has the members of the lists, or -1 where the
   * entry asks for none. Its name is the lists', with `.known` behind it. */
  ROUTE_ROLE_KNOWN = 10
};

/* An input or an output of an entry. */
typedef struct route_port_desc {
  const char *name;
  route_type_desc type;
  const uint32_t *axes;
  uint64_t num_axes;
  const void
      *initial;        /* input: one element for when the host gives no tensor,
                          or null: the tensor is required unless unknown may be */
  int64_t timeout_ns;  /* ROUTE_ROLE_HOST; else 0 */
  uint32_t known_axes; /* known bytes are over this many leading axes */
  uint32_t role;       /* enum route_port_role */
  int32_t subject;     /* what the role says, or -1 */
  uint32_t reserved;   /* 0 */
} route_port_desc;

/* One argument: contiguous, row-major. `known` is null unless the port's type
 * may be unknown, and then never null: one byte for each position of the first
 * known_axes axes, 1 where known. An element that is not known still lies in
 * readable memory and has no meaning. */
typedef struct route_buffer {
  void *data;
  uint8_t *known;
} route_buffer;

/* A share of a parallel loop: iterations begin <= i < end, by worker number
 * 0 <= worker < env->workers; two calls with one number never overlap. */
typedef void (*route_body_fn)(void *argument, int64_t begin, int64_t end,
                              int64_t worker);

/* Runs body over 0 <= i < count in shares, each a multiple of `grain`
 * iterations but for the last one, in any order, and returns when all have run.
 * Results must not depend on how the loop was shared out. */
typedef void (*route_parallel_fn)(void *pool, int64_t count, int64_t grain,
                                  route_body_fn body, void *argument);

/*===--- Devices ----------------------------------------------------------===*/

enum route_kernel_flags {
  /* A launch may start before those before it have ended (programmatic launch):
   * threads of the kernel execute griddepcontrol.wait before they access
   * memory, but for parameters of the context, for what the kernel ahead has
   * itself waited for before it lets this one start, and for what it tells of
   * in memory; a thread waits before the end. Without it the launch waits. */
  ROUTE_KERNEL_WAITS = 1u
};

/* A kernel of the module's device code. */
typedef struct route_kernel_desc {
  const char *name;
  uint32_t shared_bytes; /* of dynamic shared memory, for each block */
  /* Blocks that a multiprocessor holds, where blocks share out the work: a
   * launch gets no more of them than the device holds. 0: any number. */
  uint32_t blocks_per_processor;
  uint32_t flags;  /* enum route_kernel_flags, or-ed */
  uint32_t binary; /* which has it, where there are any */
} route_kernel_desc;

/* Machine code of some kernels: a cubin. */
typedef struct route_device_binary {
  const void *data;
  uint64_t size;
} route_device_binary;

/* Defined below. */
struct route_invocation;

/* Code for one kind of device. The runtime loads `binaries` where the device
 * takes them; else `assembly`, which has all and which the driver compiles.
 * Entries without a variant for the device run on the CPU for tensors there,
 * on copies; where all do, there are no kernels and no assembly. */
typedef struct route_device_code_desc {
  const char *architecture; /* "sm_90a" */
  const char *assembly;     /* PTX; ends with NUL, which size does not count;
                               null without kernels */
  uint64_t assembly_size;
  const route_device_binary *binaries;
  uint64_t num_binaries;            /* 0: there is assembly alone */
  const route_kernel_desc *kernels; /* by number */
  uint64_t num_kernels;
  /* What hangs on parameters alone: `prepared_size` bytes of the device's
   * memory, aligned to 256, which variants for the device find behind the
   * parameters, at route_invocation.params[num_params]. `prepare` fills them
   * before the first call, when parameters are there; it is called as a variant
   * is, without sizes, inputs, outputs and state. 0 and null: nothing does. */
  uint64_t prepared_size;
  int32_t (*prepare)(const struct route_invocation *invocation);
  uint64_t (*prepare_workspace_size)(const int64_t *axis_sizes,
                                     int64_t workers);
} route_device_code_desc;

/* A library made to be tuned exports this beside its descriptor. `choices` is a
 * JSON list of {"shape", "forms", "most"}: places where the rows of a call
 * decide which of several forms of a product runs, the i-th form up to most[i]
 * rows, those beyond the end of `most` never by themselves. By a choice's
 * number: `chosen` is the form to take, or -1, and `rows` gets what a call had.
 * Calls must then come one at a time. */
#define ROUTE_TUNING_SYMBOL "route_tuning_v1"
typedef struct route_tuning_desc {
  const char *choices;
  int32_t *chosen;
  int64_t *rows;
} route_tuning_desc;

/* A matrix, or a stack of them, that a kernel reads in boxes. Arrays go from
 * the outermost axis to the innermost, whose elements are neighbours. */
typedef struct route_tensor_map_request {
  void *address;
  int64_t offset;     /* of the first element, in elements */
  uint32_t element;   /* ROUTE_BF16, ROUTE_F16 or ROUTE_F32 */
  uint32_t rank;      /* 2 to 5 */
  int64_t sizes[5];   /* in elements */
  int64_t strides[5]; /* in elements */
  uint32_t box[5];    /* in elements; a row is 128 bytes, and swizzled so */
  uint32_t reserved;  /* 0 */
} route_tensor_map_request;

/* What an entry for a device calls, for one call of it: everything goes to the
 * call's stream. Functions do nothing once one has failed; the runtime reports
 * the failure when the entry has returned. */
typedef struct route_launcher {
  uint64_t struct_size; /* sizeof(route_launcher) of the runtime */
  /* Runs `grid` blocks of `block` threads, in one dimension; none where grid is
   * 0. `arguments` are the addresses of the kernel's arguments, which are
   * copied. */
  void (*launch)(struct route_launcher *launcher, uint32_t kernel, int64_t grid,
                 uint32_t block, void **arguments);
  /* Makes the tensor map of 128 bytes, aligned to 64, that a kernel takes as an
   * argument. Zeros where a size is 0 or where it fails. */
  void (*tensor_map)(struct route_launcher *launcher,
                     const route_tensor_map_request *request, void *map);
  /* Copies bytes of the host to the device. Pageable memory has been read when
   * it returns; pinned memory is read when the stream gets there. */
  void (*upload)(struct route_launcher *launcher, void *to, const void *from,
                 uint64_t size);
} route_launcher;

/* Bytes of state cells that an event changes. */
typedef struct route_change {
  const void *start;
  uint64_t size;
} route_change;

/* What an event changes, so that no more is copied than that. `count` is -1
 * when the entry is called and stays so where it does not say. Otherwise the
 * first of all changes are in the `capacity` of route_change that follow in
 * memory; where there are more, or -1, all cells of the entry's `writes` count
 * as changed. */
typedef struct route_changes {
  int64_t count, capacity;
} route_changes;

/* What an entry may know of its surroundings. */
typedef struct route_env {
  uint64_t struct_size;           /* sizeof(route_env) of the runtime */
  route_parallel_fn parallel_for; /* never null */
  void *pool;                     /* its first argument */
  int64_t workers;                /* >= 1 */
  uint64_t seed;                  /* of random draws */
  int64_t now;                    /* the call's time, ns since 1970 */
  void *stream;                   /* device entries: CUstream; else null */
  route_launcher *launcher;       /* device entries; else null */
  route_changes *changes;         /* events may fill it in; null: no matter */
} route_env;

/* One call. */
typedef struct route_invocation {
  const int64_t *axis_sizes;   /* by axis index; -1: not used by this entry */
  const route_buffer *inputs;  /* by input number */
  const route_buffer *outputs; /* by output number */
  const void *const *params;   /* by parameter index, packed if it packs; of a
                                  variant for a device, what is prepared last */
  void *const *state;          /* by state index; const but for `writes` */
  void *workspace;             /* workspace_size bytes, contents undefined */
  const route_env *env;
  void *host_workspace; /* of a variant for a device, host_workspace_size bytes
                           of the host's memory; else null */
} route_invocation;

/* Returns 0; anything else makes the call fail with that number in the message
 * and, in an event, leaves the state as it was. */
typedef int32_t (*route_entry_fn)(const route_invocation *invocation);

/* Processor features a variant needs, or-ed. */
enum route_cpu_feature {
  ROUTE_CPU_X86_64_V2 = 1,
  ROUTE_CPU_X86_64_V3 = 2, /* AVX2, FMA, BMI, F16C, LZCNT, MOVBE */
  ROUTE_CPU_X86_64_V4 = 4, /* AVX-512 F, BW, CD, DQ, VL */
  ROUTE_CPU_AVX512_BF16 = 8,
  ROUTE_CPU_AVX512_VNNI = 16,
  ROUTE_CPU_AVX512_VBMI = 32,
  ROUTE_CPU_AVX512_VBMI2 = 64,
  ROUTE_CPU_AVX512_FP16 = 128,
  ROUTE_CPU_AMX_BF16 = 256 /* with AMX tiles usable by this process */
};

/* Devices, numbered as in DLPack. */
enum route_device { ROUTE_DEVICE_CPU = 1, ROUTE_DEVICE_CUDA = 2 };

/* One compiled form of an entry. The runtime takes the first whose device holds
 * the tensors and whose features the machine has. All variants of an entry
 * share its parameter layouts and give the same plans. */
typedef struct route_variant_desc {
  const char *name;  /* "x86-64-v4", for people */
  route_entry_fn fn; /* never null */
  uint64_t features; /* enum route_cpu_feature, or-ed */
  uint32_t device;   /* enum route_device */
  uint32_t reserved; /* 0 */
  /* A variant for a device begins on the host where it has ports there or a
   * part for it. The ports that are in the host's memory, ascending; inputs by
   * number, then outputs. Texts are there always. */
  const uint32_t *host_ports;
  uint64_t num_host_ports;
  /* Bytes of the host's memory that the part for the host needs for these sizes
   * and this many workers, or null: none. */
  uint64_t (*host_workspace_size)(const int64_t *axis_sizes, int64_t workers);
  /* The part for the host, or null: none. Called before `fn`, with the host's
   * workspace as its workspace, where `fn` finds what it leaves; it knows
   * neither parameters nor state, and starts nothing on the device. */
  route_entry_fn host_fn;
} route_variant_desc;

enum route_entry_kind {
  ROUTE_ENTRY_ROUTER = 1, /* decides; pure */
  ROUTE_ENTRY_ROUTE = 2,  /* computes, calling routers and experts; pure */
  ROUTE_ENTRY_EVENT = 3   /* updates state */
};

typedef struct route_entry_desc {
  const char *name; /* a router's or route's name; an event's "router.event" or
                       "event" */
  const char *summary; /* one line for people, or null */
  const route_port_desc *inputs;
  uint64_t num_inputs;
  const route_port_desc *outputs;
  uint64_t num_outputs;
  const uint32_t *reads; /* state indices read, ascending */
  uint64_t num_reads;
  const uint32_t *writes; /* state indices written, ascending; events only. An
                             event may read what it writes: a written cell holds
                             the current value when the function starts */
  uint64_t num_writes;
  /* Bytes of workspace for these sizes and this many workers, or null: none. */
  uint64_t (*workspace_size)(const int64_t *axis_sizes, int64_t workers);
  const route_variant_desc *variants; /* best first */
  uint64_t num_variants;
  uint32_t kind;     /* enum route_entry_kind */
  int32_t item_axis; /* the axis of items decided independently, or -1 */
} route_entry_desc;

/*===--- The module -------------------------------------------------------===*/

typedef struct route_module_desc {
  uint32_t magic;       /* ROUTE_MODULE_MAGIC */
  uint32_t abi_version; /* ROUTE_MODULE_ABI_VERSION */
  uint64_t struct_size; /* sizeof(route_module_desc) of the compiler */
  const char *name;
  const char *source_hash;      /* hex SHA-256 of the sources */
  const char *compiler_version; /* "routec 0.1.0" */
  const char *unicode_version;  /* "15.0.0"; "" where no text is read */
  const char *target;           /* LLVM triple */
  uint64_t features; /* enum route_cpu_feature: needed by every entry */
  const route_axis_desc *axes;
  uint64_t num_axes;
  const route_enum_desc *enums;
  uint64_t num_enums;
  const route_pool_desc *pools;
  uint64_t num_pools;
  const route_param_desc *params;
  uint64_t num_params;
  const route_state_desc *states;
  uint64_t num_states;
  const route_note_desc *notes;
  uint64_t num_notes;
  const route_budget_desc *budgets;
  uint64_t num_budgets;
  const route_reject_desc *rejects;
  uint64_t num_rejects;
  const route_entry_desc *entries;
  uint64_t num_entries;
  const route_device_code_desc *device_code; /* null: no code for devices */
} route_module_desc;

/* The one exported symbol of a generated library. */
extern const route_module_desc route_module_v1;

#ifdef __cplusplus
} /* extern "C" */
#endif

/*===--- No implicit padding ----------------------------------------------===*/

#if defined(__cplusplus)
#define ROUTE_LAYOUT_CHECK(what) static_assert(what, #what)
#else
#define ROUTE_LAYOUT_CHECK(what) _Static_assert(what, #what)
#endif
ROUTE_LAYOUT_CHECK(sizeof(void *) == 8);
ROUTE_LAYOUT_CHECK(sizeof(route_text) == 16);
ROUTE_LAYOUT_CHECK(sizeof(route_type_desc) == 24);
ROUTE_LAYOUT_CHECK(sizeof(route_axis_desc) == 48);
ROUTE_LAYOUT_CHECK(sizeof(route_enum_desc) == 24);
ROUTE_LAYOUT_CHECK(sizeof(route_attribute_desc) == 64);
ROUTE_LAYOUT_CHECK(sizeof(route_pool_desc) == 32);
ROUTE_LAYOUT_CHECK(sizeof(route_param_desc) == 88);
ROUTE_LAYOUT_CHECK(sizeof(route_state_desc) == 80);
ROUTE_LAYOUT_CHECK(sizeof(route_note_desc) == 40);
ROUTE_LAYOUT_CHECK(sizeof(route_budget_desc) == 32);
ROUTE_LAYOUT_CHECK(sizeof(route_reject_desc) == 16);
ROUTE_LAYOUT_CHECK(sizeof(route_port_desc) == 80);
ROUTE_LAYOUT_CHECK(sizeof(route_buffer) == 16);
ROUTE_LAYOUT_CHECK(sizeof(route_kernel_desc) == 24);
ROUTE_LAYOUT_CHECK(sizeof(route_device_binary) == 16);
ROUTE_LAYOUT_CHECK(sizeof(route_device_code_desc) == 80);
ROUTE_LAYOUT_CHECK(sizeof(route_tensor_map_request) == 128);
ROUTE_LAYOUT_CHECK(sizeof(route_launcher) == 32);
ROUTE_LAYOUT_CHECK(sizeof(route_changes) == 16);
ROUTE_LAYOUT_CHECK(sizeof(route_env) == 72);
ROUTE_LAYOUT_CHECK(sizeof(route_invocation) == 64);
ROUTE_LAYOUT_CHECK(sizeof(route_variant_desc) == 64);
ROUTE_LAYOUT_CHECK(sizeof(route_entry_desc) == 112);
ROUTE_LAYOUT_CHECK(sizeof(route_module_desc) == 216);
#undef ROUTE_LAYOUT_CHECK

#endif /* ROUTE_ROUTE_MODULE_H */
