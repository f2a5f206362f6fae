"""The pictures of the README and the docs, made from a real run: see `scripts/pictures`."""
