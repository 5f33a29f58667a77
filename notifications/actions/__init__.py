"""The verbs that change something: the one door for writing."""
