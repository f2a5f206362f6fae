"""What the commands share on a terminal: output, formatting, options, progress, live views."""
