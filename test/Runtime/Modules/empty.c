/* A library that is no module. */
int route_test_nothing(void);
int route_test_nothing(void) { return 0; }
