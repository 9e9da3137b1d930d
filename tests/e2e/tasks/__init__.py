"""Tasks that people give to their assistant, done by a script that knows only what tools answer."""
