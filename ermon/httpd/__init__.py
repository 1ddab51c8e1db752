"""A hardened HTTP shell around an aiohttp application: access control, limits, TLS and sockets.

It knows nothing of the application inside. An application puts its requirements into a ``Shell``, gets an empty
``web.Application`` from ``app.make_shell``, adds its routes, and is served by ``listen.listening``::

    shell = Shell(config=LiveWebConfig(file).current, hosts=hosts_of(url, addresses, ()))
    app = make_shell(shell)
    app.add_routes([web.get("/", hello)])
    async with listening(app, [("127.0.0.1", 8080)]) as urls: ...

A request passes ``listen`` (connections, TLS) and ``app`` (the order of the checks, and why; concurrency, rate, bodies);
``access`` checks passwords, certificates, DNS rebinding and pages of other sites. ``config`` reads the web configuration
of Prometheus' exporter-toolkit, and reads it again when it changes.
"""
