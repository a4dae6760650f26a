"""What the server does before and beside any page."""
