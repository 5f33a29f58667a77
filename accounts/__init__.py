"""The user model, log-in, log-out and sign-up."""
