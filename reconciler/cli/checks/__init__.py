"""The checks of `reconciler check`. Each returns results; none prints or raises our errors."""
