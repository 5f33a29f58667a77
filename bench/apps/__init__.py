"""The applications that peers run: each as its documentation shows it."""
