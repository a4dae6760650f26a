"""What pages are made of: forms, charts, tables, words."""
