"""The user model, and log-in, log-out and sign-up."""
