"""The physical forward operators behind the crystal and architecture tasks."""
