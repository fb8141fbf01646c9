/* What a library may have at most.
 * The compiler refuses a spec that goes beyond, and the runtime a library that
 * does: what a call keeps on its stack is bounded by these. */
#ifndef ROUTE_LIMITS_H
#define ROUTE_LIMITS_H

enum {
  ROUTE_MAX_RANK = 16,      /* axes of an array */
  ROUTE_MAX_AXES = 512,     /* axes of a library */
  ROUTE_MAX_PORTS = 512,    /* inputs and outputs of an entry */
  ROUTE_MAX_ENTRIES = 4096, /* entries of a library */
  ROUTE_MAX_TABLE = 1 << 20 /* rows of any other table */
};

#endif /* ROUTE_LIMITS_H */
