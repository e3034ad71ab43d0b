"""The locked room: a child process with walls around it, which alone touches the pixels of strangers.

`developer` is the worker's side and imports no image library; `room` is the child's. Nothing is imported here, so that
the child carries nothing of the product in with it.
"""
