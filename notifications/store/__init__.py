"""Writes changes to the database, one transaction each, and reads them back."""
