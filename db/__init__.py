"""The database's migrations and seeds, and the commands that apply them."""
