//! The byte guard for HTTP/1 framing, and the one canonical view of a request.
