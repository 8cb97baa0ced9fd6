"""One function an opcode, each on a Frame. They know no fork's table and no interpreter."""
