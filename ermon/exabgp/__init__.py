"""ExaBGP as ermon runs it, from BGP sessions to events.

The way of a line: ExaBGP writes it to its child ``relay``, which never makes it wait; ``channel`` reads the relay;
``process`` keeps ExaBGP running and changes its configuration, with its files in ``directory``; ``decode`` makes events
of the line, with ``lines`` and ``updates``. ``updates`` also writes such lines, for recordings, and ``configure`` writes
ExaBGP's configuration. ``launch`` is started instead of ExaBGP: it enters a ``box`` first, made of ``landlock`` and
``calls``; everything between the box and ermon passes the ``door``. ``listener`` replaces ExaBGP's own, and ``raw``
passes UPDATEs on unchanged, which ``frames`` reads, both with ``runs``. ``reasons`` has the texts about failures, and
``addresses`` tests addresses as the listener uses them.

``configure``, ``decode``, ``frames``, ``lines``, ``reasons``, ``runs`` and ``updates`` are pure.
"""
