"""Parts of the widget "Compare"."""
