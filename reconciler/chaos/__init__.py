"""Chaos for the demo: what goes wrong and when, who is killed, and who has seen it all."""
