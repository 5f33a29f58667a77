"""The doctor: looks at every part that a notification passes through, and says what is wrong.

`manage.py notifications_doctor` prints what it finds. It changes nothing: what it writes is rolled
back, what it publishes is for itself alone, and the session that it makes is deleted.
"""

from .findings import Finding, State
from .patient import Patient
from .rounds import examine

__all__ = ["Finding", "Patient", "State", "examine"]
