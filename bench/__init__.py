"""Measurements. They print what they find and judge nothing; docs and issues quote them."""
