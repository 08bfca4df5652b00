"""What several experiments are made of: accounts of memory and CPU, running instances, tools, machines to try on."""
