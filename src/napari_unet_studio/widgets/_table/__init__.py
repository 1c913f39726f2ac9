"""Parts of the widget "Object table"."""
