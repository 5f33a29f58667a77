"""What customers order, and say about it."""

from django.conf import settings
from django.db import models


class Order(models.Model):
    """One order of a customer."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    status = models.CharField(max_length=10, default="placed")

    def __str__(self) -> str:
        return f"#{self.pk}"


class Comment(models.Model):
    """What somebody says about an order."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    text = models.TextField()

    def __str__(self) -> str:
        return self.text
