"""What several test files share. Importable as `support` through pytest's `pythonpath`."""
