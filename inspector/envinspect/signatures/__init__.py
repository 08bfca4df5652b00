"""What is known: tables only. Each row cites the page, specification or source file that defines it."""
