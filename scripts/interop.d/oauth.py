"""Gets an access token with a device's certificate, and verifies it as a service would: requests-oauthlib and PyJWT."""

import json
import ssl
import sys

import jwt
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

what, issuer, roots, device = sys.argv[1:5]


def fetch():
    session = OAuth2Session(client=BackendApplicationClient(client_id=device))
    session.cert = (f"{device}/device.pem", f"{device}/device.key")
    endpoint = f"{issuer}/v1/oauth/token"
    answer = session.fetch_token(endpoint, verify=roots, include_client_id=True, scope=["offline_access"])
    again = session.refresh_token(endpoint, verify=roots)
    assert again["refresh_token"] != answer["refresh_token"]
    print(again["access_token"])


def verify(token):
    keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json", ssl_context=ssl.create_default_context(cafile=roots))
    key = keys.get_signing_key_from_jwt(token)
    need = {"require": ["exp", "iat", "iss", "sub", "aud", "jti", "client_id", "cnf"]}
    claims = jwt.decode(token, key, algorithms=["ES256"], audience=issuer, issuer=issuer, options=need)
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    assert claims["sub"] == f"device:{device}", claims
    print("valid", json.dumps(claims))


if what == "fetch":
    fetch()
else:
    verify(sys.stdin.read().strip())
