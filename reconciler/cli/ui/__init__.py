"""The terminal side that commands share: output, formatting, options, progress, live views."""
