"""The problem: a task with its variables and properties, a target, and the space that designs live in."""
