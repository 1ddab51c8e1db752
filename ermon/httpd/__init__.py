"""A hardened HTTP shell around an aiohttp application: who may speak to it, how much, and over what.

It knows nothing of what is inside. An application says in a ``Shell`` what it needs, takes an empty
``web.Application`` from ``app.make_shell``, adds its routes, and is served by ``listen.listening``::

    shell = Shell(config=LiveWebConfig(file).current, hosts=hosts_of(url, addresses, ()))
    app = make_shell(shell)
    app.add_routes([web.get("/", hello)])
    async with listening(app, [("127.0.0.1", 8080)]) as urls: ...

A request comes through ``listen`` (connections, TLS) and ``app`` (in which order it is judged, and why; turns,
rate, bodies); ``access`` judges passwords, certificates, DNS rebinding and other sites' pages. ``config`` reads
what Prometheus' exporter-toolkit calls a web configuration, and reads it again when it changes.
"""
