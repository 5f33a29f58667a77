"""Who may log in: the user model, log-in, log-out and sign-up. Knows nothing of the demo."""
