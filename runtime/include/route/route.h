/* The C interface for services that embed a library.
 *
 * Load a compiled .route library, bind its parameters, decide. See
 * docs/embedding.md for a walk through it in C and in C++.
 *
 * Ownership and threads, by handle
 *   route_module   reference-counted, immutable: any thread.
 *   route_context  reference-counted; holds its module. Deciding, emitting
 *                  events and reading state: any thread, at the same time.
 *                  Releasing the last reference: no call may be in flight.
 *   route_threads  one owner; may serve many calls at the same time.
 * Tensors, names and buffers are borrowed for the call, unless said otherwise.
 *
 * What a call costs: route_decide, route_forward, route_emit, their traces, and
 * route_state_read neither allocate nor lock nor do input or output; emit waits
 * for other emits and for the readers of the state before last. Calls on a GPU
 * neither allocate nor wait for it; those with state take a lock while they
 * start their work. Entries without code for the GPU wait for what comes before
 * them on the call's stream. What an emit on the GPU has changed, those on the
 * CPU who read or change it wait for, the first time.
 *
 * Errors: functions that can fail return a route_status and, where the caller
 * gives a route_error, fill it: short, lower case, names in quotes, what was
 * found and what was expected. No function throws, aborts or exits.
 */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include "route/route_module.h"
#include "route/route_tensor.h"

#if defined(ROUTE_BUILDING_RUNTIME)
#define ROUTE_API __attribute__((visibility("default")))
#else
#define ROUTE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*===--- Errors -----------------------------------------------------------===*/

typedef enum route_status {
  ROUTE_OK = 0,
  /* The host's use of this interface. */
  ROUTE_ERROR_ARGUMENT = 1, /* null or impossible argument */
  ROUTE_ERROR_MEMORY = 2,   /* out of memory */
  ROUTE_ERROR_FILE = 3,     /* a file that cannot be opened, read or mapped */
  /* Loading a module. */
  ROUTE_ERROR_NOT_A_MODULE = 10, /* no descriptor in the library */
  ROUTE_ERROR_ABI_VERSION = 11,  /* made for another version of the contract */
  ROUTE_ERROR_DESCRIPTOR = 12,   /* a descriptor that contradicts itself */
  ROUTE_ERROR_CPU = 13,          /* this machine lacks what the module needs */
  ROUTE_ERROR_NO_ENTRY = 14,     /* no entry of that name or number */
  ROUTE_ERROR_ENTRY_KIND = 15,   /* event where a decision belongs, or back */
  /* Binding parameters from safetensors files. */
  ROUTE_ERROR_TRUNCATED = 20,     /* the file ends before its data does */
  ROUTE_ERROR_HEADER = 21,        /* not a safetensors header */
  ROUTE_ERROR_OVERLAP = 22,       /* tensors overlap or leave gaps */
  ROUTE_ERROR_DUPLICATE = 23,     /* two tensors of one name */
  ROUTE_ERROR_PARAM_MISSING = 24, /* no tensor, or no file, for a parameter */
  ROUTE_ERROR_PARAM_EXTRA = 25,   /* a tensor that nothing binds */
  ROUTE_ERROR_PARAM_SHAPE = 26,
  ROUTE_ERROR_PARAM_TYPE = 27,
  /* Arguments of a call. */
  ROUTE_ERROR_ARGUMENT_COUNT = 30, /* too few or too many arguments */
  ROUTE_ERROR_TENSOR_MISSING = 31, /* no tensor where one is required */
  ROUTE_ERROR_TENSOR_TYPE = 32,
  ROUTE_ERROR_TENSOR_RANK = 33,
  ROUTE_ERROR_TENSOR_SHAPE = 34,   /* also: two tensors disagree on an axis */
  ROUTE_ERROR_TENSOR_STRIDES = 35, /* not contiguous and row-major */
  ROUTE_ERROR_TENSOR_DEVICE = 36,
  ROUTE_ERROR_TENSOR_ALIGNMENT = 37, /* not aligned to its element */
  ROUTE_ERROR_TENSOR_VALUE = 38,     /* row or member out of range, bad offsets,
                                        bool or text */
  ROUTE_ERROR_KNOWN = 39,        /* known bytes where nothing may be unknown */
  ROUTE_ERROR_WORKSPACE = 40,    /* too small, not aligned to 64 bytes, or of a
                                    call of 2^31 slots or more */
  ROUTE_ERROR_ENTRY_FAILED = 41, /* the entry function returned an error */
  ROUTE_ERROR_AXIS = 42,         /* an axis's size cannot be told, or is bad */
  /* State and traces. */
  ROUTE_ERROR_NO_STATE = 50,        /* no state cell of that name or size */
  ROUTE_ERROR_TRACE_SPACE = 51,     /* the trace does not fit its buffer */
  ROUTE_ERROR_TRACE_FORMAT = 52,    /* not a trace, or damaged */
  ROUTE_ERROR_TRACE_MODULE = 53,    /* a trace of another module */
  ROUTE_ERROR_REPLAY_MISMATCH = 54, /* replay gave other bytes */
  /* GPUs. */
  ROUTE_ERROR_DRIVER = 70, /* no usable driver, or one too old */
  ROUTE_ERROR_DEVICE = 71, /* the driver or the GPU reported a failure */
  /* Tools. */
  ROUTE_ERROR_RECORD = 60 /* a record file that does not fit the entry */
} route_status;

/* The enumerator's name, e.g. "ROUTE_ERROR_PARAM_SHAPE"; "unknown" for others.
 * The string is constant. */
ROUTE_API const char *route_status_name(int32_t status);

/* Filled on failure and left alone on success. Any parameter of this type may
 * be null. */
typedef struct route_error {
  route_status code;
  char message[508]; /* UTF-8, ends with NUL; cut with "..." when long */
} route_error;

/* The runtime's version, "major.minor.patch". */
ROUTE_API const char *route_version(void);

/*===--- Modules ----------------------------------------------------------===*/

typedef struct route_module route_module;

/* Loads the shared library at `path` (taken as dlopen takes it, but a path
 * without a slash is looked up in the current folder) and checks its
 * descriptor. Loading code runs its initialisers: load only libraries you
 * trust. */
ROUTE_API route_status route_module_load(const char *path,
                                         route_module **module,
                                         route_error *error);
/* The same for a descriptor linked into the program; it must outlive the
 * module. */
ROUTE_API route_status route_module_link(const route_module_desc *descriptor,
                                         route_module **module,
                                         route_error *error);
ROUTE_API void route_module_retain(route_module *module);
ROUTE_API void route_module_release(route_module *module); /* null: nothing */

/* Borrowed from the module. */
ROUTE_API const route_module_desc *
route_module_descriptor(const route_module *module);

/* Finds an entry by name; entries are numbered as in the descriptor. */
ROUTE_API route_status route_module_entry(const route_module *module,
                                          const char *name, uint32_t *entry,
                                          route_error *error);

/* Features of this machine, enum route_cpu_feature or-ed. */
ROUTE_API uint64_t route_cpu_features(void);

/* "f32", "text", ...; null for a number that is no enum route_element. */
ROUTE_API const char *route_element_name(uint32_t element);
/* Bytes of one element; 0 for a number that is no enum route_element. */
ROUTE_API uint64_t route_element_size(uint32_t element);
/* DLPack's type for an element. */
ROUTE_API route_dtype route_element_dtype(uint32_t element);

/*===--- Contexts ---------------------------------------------------------===*/

typedef struct route_context route_context;

/* A safetensors file: `path`, or where that is null `size` bytes at `data`,
 * which must then outlive the context. Several files of one label are shards of
 * one checkpoint. */
typedef struct route_file {
  const char *label; /* the source's name for the file; null: the default */
  const char *path;
  const void *data;
  uint64_t size;
} route_file;

/* A parameter that the host has in memory: one tensor of the parameter's type
 * over all its axes, row-major, read there and never copied but where variants
 * for the CPU want it packed, or where it has to get to the GPU. It must hold
 * its values when the context is made, and outlive the context. On a GPU
 * (ROUTE_CONTEXT_CUDA) it starts at a multiple of 16 bytes; calls on the CPU
 * would read it, and are errors but with ROUTE_CONTEXT_HOST_COPIES. */
typedef struct route_param {
  /* As in the descriptor: a parameter's, or that of state whose first value
   * comes from a file (`tensor`). That is copied. */
  const char *name;
  const route_tensor *tensor;
} route_param;

enum route_context_flags {
  /* Tensors that nothing binds are no error (a whole model's checkpoint). */
  ROUTE_CONTEXT_ALLOW_EXTRA = 1u,
  /* Calls may also give tensors on a GPU: that of the thread's current CUDA
   * context, else the first. Loads the module's code for it and copies the
   * parameters there; calls then neither allocate nor wait for the GPU. Code
   * that another context of the module has loaded there is shared with it. */
  ROUTE_CONTEXT_CUDA = 2u,
  /* Parameters that the host has on a GPU are copied to memory of the CPU too,
   * so that the context serves calls there as well. */
  ROUTE_CONTEXT_HOST_COPIES = 4u
};

/* Runs an entry in place of its compiled variants (an interpreter, a test
 * double). Returns as route_entry_fn does. */
typedef int32_t (*route_execute_fn)(void *user, const route_module_desc *module,
                                    uint32_t entry,
                                    const route_invocation *invocation);

/* Zero-initialise, set struct_size, then what you need. */
typedef struct route_context_options {
  uint64_t struct_size; /* sizeof(route_context_options) */
  const route_file *files;
  uint64_t num_files;
  uint64_t flags;           /* enum route_context_flags, or-ed */
  uint64_t features_mask;   /* features variants may use; 0: all there are */
  route_execute_fn execute; /* null: the compiled variants */
  void *execute_user;
  const route_param *params; /* the others come from the files */
  uint64_t num_params;
} route_context_options;

/* Binds parameters and initialises state. Files are memory-mapped and stay
 * mapped while the context lives: replace a file, never change it in place;
 * parameters that pack are packed into memory of the context. `options` may be
 * null. Every parameter must be found, with its type and shape, and every
 * tensor in the files must be used. */
ROUTE_API route_status
route_context_create(route_module *module, const route_context_options *options,
                     route_context **context, route_error *error);
ROUTE_API void route_context_retain(route_context *context);
ROUTE_API void
route_context_release(route_context *context); /* null: nothing */

/* Borrowed from the context. */
ROUTE_API route_module *route_context_module(const route_context *context);

/* The variant that calls of `entry` on the CPU run, or null without one. */
ROUTE_API const char *route_context_variant(const route_context *context,
                                            uint32_t entry);

/*===--- Calls ------------------------------------------------------------===*/

/* One argument. `known`: bool over the first known_axes axes of the port; null:
 * all known. A null tensor: the port's default, else wholly unknown, where the
 * port allows that. An output that may be unknown takes `known` too, or drops
 * it. */
typedef struct route_argument {
  const route_tensor *tensor;
  const route_tensor *known;
} route_argument;

/* A trace of one call: what was read, and what came out. */
typedef struct route_trace {
  void *data;
  uint64_t capacity; /* bytes at data */
  uint64_t size;     /* set by the call: bytes written, or needed */
} route_trace;

/* Zero-initialise, set struct_size, then what you need. Outputs must overlap
 * neither inputs nor each other. Text in outputs points into the inputs or the
 * module.
 *
 * On a GPU all tensors are there but for the ports that the entry's variant
 * lists in `host_ports`, which are in the host's memory: texts, and what is
 * read with them. Such a call first runs its part for the CPU, in this thread
 * and with parallel_for, then copies what that gave, starts the GPU's part and
 * returns. Pageable memory (inputs of the host, host_workspace) may be changed
 * when it returns; pinned memory, once the stream has got there. A stream that
 * is being captured is refused: replays would not run the CPU's part.
 *
 * An entry without a variant for the GPU runs on the CPU there too: what is on
 * the GPU is copied to host_workspace, behind the stream's work and with a wait
 * for it, and results back on the stream. Each tensor may then be on the GPU or
 * in the host's memory, texts in the host's. A stream that is being captured is
 * refused. */
typedef struct route_call {
  uint64_t struct_size; /* sizeof(route_call) */
  const route_argument *inputs;
  uint64_t num_inputs;
  const route_argument *outputs;
  uint64_t num_outputs;
  void *workspace;         /* aligned to 64 bytes; undefined before and after */
  uint64_t workspace_size; /* in bytes, at least route_workspace_size's */
  uint64_t seed;           /* of random draws */
  uint64_t id;             /* of the first item, where no input gives ids */
  int64_t now;             /* ns since 1970 */
  void *stream;            /* CUstream of device entries */
  route_parallel_fn parallel_for; /* null: loops run in the calling thread */
  void *pool;
  int64_t workers;      /* of parallel_for: worker numbers stay below it */
  route_trace *trace;   /* null: none. A trace that does not fit fails the call
                           after its outputs are written */
  void *host_workspace; /* of calls on a GPU, in the host's memory; as workspace
                           is */
  uint64_t host_workspace_size; /* at least route_host_workspace_size's */
} route_call;

/* Sizes by axis index as the call's inputs (and outputs, where given) tell
 * them; static sizes included; -1 for axes the entry does not use. Arguments
 * are checked as route_decide would, but outputs and workspace may be absent.
 */
ROUTE_API route_status route_call_sizes(const route_context *context,
                                        uint32_t entry, const route_call *call,
                                        int64_t *axis_sizes,
                                        route_error *error);

/* Completes axis sizes of which the caller knows the dynamic ones: fills static
 * and derived sizes and sets the others to -1 unless they are > = 0. */
ROUTE_API route_status route_complete_sizes(const route_module *module,
                                            uint32_t entry, int64_t *axis_sizes,
                                            route_error *error);

/* The port's shape (num_axes sizes) under complete axis sizes. */
ROUTE_API route_status route_port_shape(const route_module *module,
                                        const route_port_desc *port,
                                        const int64_t *axis_sizes,
                                        int64_t *shape, route_error *error);

/* Bytes of workspace that a call with these complete axis sizes and so many
 * workers needs at most. */
ROUTE_API route_status route_workspace_size(const route_context *context,
                                            uint32_t entry,
                                            const int64_t *axis_sizes,
                                            int64_t workers, uint64_t *size,
                                            route_error *error);

/* Bytes of workspace that a call of any entry with so many workers needs at
 * most: what a thread allocates once. Axes whose sizes the host gives have
 * `largest` positions each, or as many as they may have; what follows from
 * them, such as an expert's capacity, is as large as it is there. */
ROUTE_API route_status route_workspace_max(const route_context *context,
                                           int64_t largest, int64_t workers,
                                           uint64_t *size, route_error *error);

/* The same of the host's memory that calls on a GPU need: 0 for an entry of
 * which nothing runs on the CPU there. */
ROUTE_API route_status route_host_workspace_size(
    const route_context *context, uint32_t entry, const int64_t *axis_sizes,
    int64_t workers, uint64_t *size, route_error *error);
ROUTE_API route_status route_host_workspace_max(const route_context *context,
                                                int64_t largest,
                                                int64_t workers, uint64_t *size,
                                                route_error *error);

/* Runs a router or a route: one mechanism under two names that read well. */
ROUTE_API route_status route_decide(route_context *context, uint32_t entry,
                                    const route_call *call, route_error *error);
ROUTE_API route_status route_forward(route_context *context, uint32_t entry,
                                     const route_call *call,
                                     route_error *error);

/* Runs an event: its writes become visible to later calls at once, or not at
 * all where it fails. Events of one context take effect one after another. With
 * tensors on a GPU the event takes effect on the call's stream; later calls, on
 * whatever stream and on the CPU, see it. Captured in a CUDA graph, it takes
 * effect whenever the graph runs, and only the host can order that with calls
 * outside of the graph. */
ROUTE_API route_status route_emit(route_context *context, uint32_t entry,
                                  const route_call *call, route_error *error);

/* Runs the traced call again from the trace alone (with this context's
 * parameters) and compares every byte that came out. Allocates. */
ROUTE_API route_status route_replay(route_context *context, const void *trace,
                                    uint64_t size, route_error *error);

/*===--- State ------------------------------------------------------------===*/

/* Events published so far, and state writes; runs of graphs do not count. */
ROUTE_API uint64_t route_context_epoch(const route_context *context);

/* Bytes of a state cell, by its index; 0 where there is none. */
ROUTE_API uint64_t route_state_size(const route_context *context,
                                    uint32_t state);
/* Copies a cell out, as of one epoch. `size` must be route_state_size. Waits
 * for the events on the GPU that have changed it, but for those in graphs: the
 * host has to. */
ROUTE_API route_status route_state_read(route_context *context, uint32_t state,
                                        void *data, uint64_t size,
                                        route_error *error);
/* Replaces a cell's value, as an event would: to restore what was saved. */
ROUTE_API route_status route_state_write(route_context *context, uint32_t state,
                                         const void *data, uint64_t size,
                                         route_error *error);
/* Pushes a live attribute: replaces the value of its cell, as of `now`, in
 * nanoseconds of the calls' clock. `known`, a byte for each element, says which
 * values there are, for an attribute that may be unknown; null: all. Of one
 * that may be unknown or go stale the cell `NAME.pushed` has the times. */
ROUTE_API route_status route_state_push(route_context *context, uint32_t state,
                                        const void *data, uint64_t size,
                                        const uint8_t *known, int64_t now,
                                        route_error *error);
/* Brings the GPU's copy of the state up to date with what changed on the host,
 * on `stream` (a CUstream; not one that is being captured), as calls on the GPU
 * do by themselves: for graphs, whose runs read that copy as it is. */
ROUTE_API route_status route_state_upload(route_context *context, void *stream,
                                          route_error *error);
/* What of a cell does not go over, in words that live as long as the call. */
typedef void (*route_adopt_fn)(void *host, const char *cell, const char *what);

/* Takes the state of `previous` over into `next`, for a reloaded module, as one
 * event. Cells go by name, and what they hold of the rows of a pool or the
 * members of an enumeration by theirs: those that stayed keep what they had,
 * new ones start as in a new context. `report` (may be null) is called for each
 * cell of which something does not go over: it is new or gone, holds another
 * type, or has rows that are new or gone; all when the state has gone over, and
 * it may call both contexts. */
ROUTE_API route_status route_context_adopt(route_context *next,
                                           route_context *previous,
                                           route_adopt_fn report, void *host,
                                           route_error *error);

/*===--- Threads ----------------------------------------------------------===*/

typedef struct route_threads route_threads;

/* A small pool: `workers` counts the calling thread, so workers - 1 threads are
 * started (1 <= workers <= 1024). */
ROUTE_API route_status route_threads_create(int64_t workers,
                                            route_threads **threads,
                                            route_error *error);
/* No loop may be running. Null: nothing. */
ROUTE_API void route_threads_destroy(route_threads *threads);
/* A route_parallel_fn whose pool is a route_threads. A loop that finds the pool
 * busy runs in the calling thread. Loops must not nest. */
ROUTE_API void route_threads_run(void *threads, int64_t count, int64_t grain,
                                 route_body_fn body, void *argument);

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* ROUTE_ROUTE_H */
