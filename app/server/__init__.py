"""Work of the server before and beside the pages."""
