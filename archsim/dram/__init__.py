"""DRAM: specification, resolved timing tables, address maps."""
