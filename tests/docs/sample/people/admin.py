"""People in the admin."""

from django.contrib import admin

from .models import Person


@admin.register(Person)
class PersonAdmin(admin.ModelAdmin):
    fields = ["email", "is_active", "is_staff"]
    list_display = ["email", "is_staff"]
