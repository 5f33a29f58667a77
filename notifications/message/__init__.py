"""The content of a message and its recipients: payloads, kinds, languages and audiences."""
