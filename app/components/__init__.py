"""The building blocks of pages: forms, charts, tables, words."""
