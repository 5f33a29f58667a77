"""The shop that the guides speak of: what their readers have before they come to this app."""
