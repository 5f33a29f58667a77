"""The public functions that notify, change inboxes and set preferences."""
