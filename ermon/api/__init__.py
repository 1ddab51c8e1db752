"""The answers of the HTTP API, described once: for the server, for the commands, and for other clients.

The core fills these values, the web writes them as JSON, ``ermon status``, ``routes``, ``verify``, ``maintenance``
and ``demo`` read them back, and ``/api/v1/schema`` publishes them. So a key cannot mean two things, and one that is
renamed here is renamed everywhere, or does not type-check.

- Every key of an answer stands here, with its unit and its meaning, in the order in which it is written.
- A key without a default is always there, and an answer without it is none of ermon's. One with a default was added
  late or is left out where it says nothing; readers use the default instead.
- Readers ignore keys that are not here: a newer ermon says more. For the same reason words such as
  ``up`` are text, of which the schema lists those that this ermon knows: a reader shows one that it does not know,
  and takes it for no good news.
"""
