"""Published suites: one module a group, each with a table SUITES."""
