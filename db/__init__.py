"""Migrations and seeds, and the commands that apply them."""
