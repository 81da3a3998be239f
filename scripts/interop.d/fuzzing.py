"""What schemathesis cannot know: how a bare request is sent, and what makes random requests go further than the first check.

Nothing is taken out. Half of what asks for a certificate gets a request for one, and half of the enrollments a token that is good.
What would end the administrator who asks, or the issuer, is aimed elsewhere.
"""

import datetime
import json
import os
import ssl
import urllib.request
import zlib

import schemathesis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOME, URL = os.environ["FUZZED"], os.environ["FUZZED_URL"]


def read(path):
    with open(f"{HOME}/{path}", encoding="ascii") as file:
        return file.read()


def call(path, body=None):
    context = ssl.create_default_context(cafile=f"{HOME}/root/root.pem")
    context.load_cert_chain(f"{HOME}/admin/admin.pem", f"{HOME}/admin/admin.key")
    request = urllib.request.Request(URL + path, data=body and json.dumps(body).encode())
    with urllib.request.urlopen(request, context=context) as answer:
        return json.load(answer)


ADMIN = x509.load_pem_x509_certificate(read("admin/admin.pem").encode())
TOKENS = [
    token["token"]
    for token in call(
        "/v1/admin/tokens",
        {
            "kind": "batch",
            "profile": "device",
            "batch": f"fuzz-{datetime.datetime.now():%H%M%S%f}",
            "cidr": "127.0.0.0/8",
            "targets": [{} for _ in range(1000)],
        },
    )["tokens"]
]

ISSUER = call("/v1/admin/issuers")[0]["id"]
KNOWN = {
    "serial": f"{ADMIN.serial_number:x}",
    "request_id": json.loads(call("/v1/admin/audit?limit=1")["items"][0]["canonical"])["request"],
}
SPARED = {"admin", KNOWN["serial"], ISSUER}


def certificate_request():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "fuzz")])
    built = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return built.public_bytes(serialization.Encoding.PEM).decode()


def chosen(value):
    """Half of all values, always the same."""
    return zlib.crc32(repr(value).encode()) % 2 == 0


@schemathesis.hook
def before_call(context, case, **_):
    body = case.body
    if isinstance(body, dict):
        if isinstance(body.get("csr"), str) and chosen(body):
            body["csr"] = certificate_request()
        if isinstance(body.get("profile"), str) and chosen(body["profile"]):
            body["profile"] = "device"
        for field in ("device", "serial"):
            if str(body.get(field)) in SPARED:
                body[field] = "0"
    elif case.media_type in BARE and chosen(body):
        case.body = certificate_request()
    if case.operation.path == "/v1/enroll" and TOKENS and chosen(case.body):
        case.headers["Authorization"] = f"Bearer {TOKENS.pop()}"
    aim(case)


def aim(case):
    """Half of what looks something up finds it."""
    names = case.path_parameters or {}
    if case.method == "GET":
        for name in names.keys() & KNOWN.keys():
            if chosen(names[name]):
                names[name] = KNOWN[name]
    elif str(names.get("id")) in SPARED:
        names["id"] = "0000000000000000"
    if case.operation.path == "/v1/admin/issuers/{id}" and case.body == {"action": "activate"}:
        names["id"] = ISSUER


BARE = ("application/pkcs10", "application/x-pem-file")


@schemathesis.serializer(*BARE)
def bare(context, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")


@schemathesis.deserializer("application/x-pem-file", "application/pem-certificate-chain", "application/octet-stream")
def text(context, response):
    return response.content.decode("latin-1")
