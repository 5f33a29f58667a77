"""The doctor: checks each part that a notification passes through, and says what is wrong.

`manage.py notifications_doctor` prints its findings. It rolls back the row that it writes, sends
messages to groups and topics of its own, and deletes its session. A user without an inbox gets one.
"""

from .findings import Finding, State
from .patient import Patient
from .rounds import examine

__all__ = ["Finding", "Patient", "State", "examine"]
