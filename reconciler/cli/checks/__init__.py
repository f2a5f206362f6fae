"""What `reconciler check` looks at. Each check returns findings; none prints, none raises ours."""
