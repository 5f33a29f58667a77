"""What is said and to whom: payloads, kinds, languages, audiences and recipients."""
