// What must hold of any text that the parser is given.
#ifndef ROUTE_TEST_UNIT_FRONTEND_CHECKTEXT_H
#define ROUTE_TEST_UNIT_FRONTEND_CHECKTEXT_H

#include <string>

namespace route {

/// What is wrong, or empty. A text with errors is only checked for the form of
/// its messages; one without is formatted, which must be stable and keep the
/// syntax tree. With `mustParse` errors are wrong too.
std::string checkText(const std::string &text, bool mustParse);

} // namespace route

#endif // ROUTE_TEST_UNIT_FRONTEND_CHECKTEXT_H
