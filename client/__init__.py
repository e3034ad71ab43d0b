"""The terminal uploader: a folder goes into a gallery, from any machine, over the public API alone.

Installed it is the package `gallery_upload`; in the product's own tree it is `client`, so that `manage.py upload`
runs the same code. It knows nothing of the product but what docs/protocol.md says.
"""
