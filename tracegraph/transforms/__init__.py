"""Graph to graph: `autodiff` (derivatives in both modes) and `batching`. They know the ops' rules and nothing of tracing."""
