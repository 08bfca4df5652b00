"""What several experiments use: accounts of memory and CPU time, instances, tools, machines with more devices."""
