"""``ermon init``: a first configuration from flags, from Azure's own description of the circuits, and from questions.

``answers`` holds what is known so far, ``azure``, ``flags`` and ``questions`` add to it, ``plan`` decides what
nobody needs to be asked (which feeds, which addresses), and ``write`` puts it into a file with comments.
"""
