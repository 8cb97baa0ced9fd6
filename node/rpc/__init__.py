"""JSON-RPC: a table of methods, and the server that speaks it."""
