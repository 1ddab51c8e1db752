"""ExaBGP as ermon runs it, from BGP sessions to events.

A line's way: ExaBGP writes it to ``relay``, a child of its own, which never makes it wait; ``channel`` reads
relays; ``process`` keeps ExaBGP running, with its files in ``directory`` and ``reload`` for another
configuration; ``decode`` makes an event of the line, after ``lines`` and ``parsed``. ``encode`` writes such
lines for scenarios, ``configure`` writes ExaBGP's configuration, and ``launch`` is what is started in its place.

``configure``, ``decode``, ``encode``, ``lines`` and ``parsed`` are pure.
"""
