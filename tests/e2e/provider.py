"""An identity provider (OIDC) on this machine that knows one person and asks nothing."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwk, jwt

EMAIL = "ann@example.org"


@contextlib.contextmanager
def provider(client: str) -> Iterator[str]:
    """Its address, for the client of that id."""
    key, nonces = jwk.RSAKey.generate_key(2048, {"kid": "1", "use": "sig"}, private=True), {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            at = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(at.query).items()}
            if at.path == "/authorize":
                nonces["code"] = query.get("nonce", "")
                back = urlencode({"code": "code", "state": query["state"]})
                self.send_response(302)
                self.send_header("Location", f"{query['redirect_uri']}?{back}")
                self.end_headers()
            elif at.path == "/keys":
                self._json({"keys": [key.as_dict(private=False)]})
            else:
                self._json(about)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            now = int(time.time())
            claims = {"iss": here, "sub": "1", "aud": client, "iat": now, "exp": now + 600, "email": EMAIL}
            token = jwt.encode({"alg": "RS256", "kid": "1"}, claims | {"nonce": nonces["code"]}, key)
            self._json({"access_token": "x", "token_type": "Bearer", "id_token": token, "expires_in": 600})

        def _json(self, values: object) -> None:
            data = json.dumps(values).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing to tell."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here = f"http://127.0.0.1:{server.server_port}"
    about = {
        "issuer": here,
        "authorization_endpoint": f"{here}/authorize",
        "token_endpoint": f"{here}/token",
        "jwks_uri": f"{here}/keys",
        "id_token_signing_alg_values_supported": ["RS256"],
    }
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
