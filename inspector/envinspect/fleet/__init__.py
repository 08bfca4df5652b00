"""Many hosts' answers as one view: `answers` reads them from a folder, `view` counts and compares."""
