"""The data of the HTTP API, described once for the server, the commands and other clients.

The core fills these values and the web writes them as JSON. ``ermon status``, ``routes``, ``verify``, ``maintenance``
and ``demo`` read them back, and ``/api/v1/schema`` publishes them. So a key cannot have two meanings, and the type
checker finds every place that uses a renamed key.

- This package has every key of an answer, with its unit and its meaning, in the order of the JSON.
- A key without a default is always present. Clients refuse an answer without it, because it cannot come from ermon. A
  key with a default was added later, or is left out when it has nothing to say; clients then use the default.
- Clients ignore keys that are not here, because a newer ermon may send more. For the same reason words such as
  ``up`` are plain text, and the schema lists the words that this ermon knows. A client shows a word that it does not
  know, and does not treat it as good.
"""
