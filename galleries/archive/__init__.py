"""A gallery, or a choice of its photos, as one ZIP that starts at once and can be resumed at any byte.

The way: `asked` (who asks for what) → `manifest` (rows to an ordered list of files) → `layout` (that list to bytes)
→ `stream` (bytes pulled as the client reads). `names` and `cover_sheet` are what a person finds inside.
"""
