"""ExaBGP as ermon runs it, from BGP sessions to events.

A line's way: ExaBGP writes it to ``relay``, a child of its own, which never makes it wait; ``channel`` reads
relays; ``process`` keeps ExaBGP running, and takes it to another configuration, with its files in
``directory``; ``decode`` makes an event of the line, after ``lines`` and ``updates``. ``updates`` also writes such
lines, for recordings, ``configure`` writes ExaBGP's configuration, and ``launch`` is what is started in its place: it goes
into a ``box`` first, made of ``landlock`` and ``calls``, and all that passes between it and ermon goes through a ``door``;
``listener`` takes the place of ExaBGP's own, and ``raw`` passes UPDATEs on as they came, which ``frames`` reads, both by ``runs``. ``reasons`` has the words for what does not work, and ``addresses`` tries what
the listener will.

``configure``, ``decode``, ``frames``, ``lines``, ``reasons``, ``runs`` and ``updates`` are pure.
"""
