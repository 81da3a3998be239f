"""pyca.py ROOT ISSUER LEAF CRLS: what pyca/cryptography thinks of the leaf, with the lists of all CAs."""

import datetime
import re
import sys

from cryptography import x509
from cryptography.x509 import verification


def judge(root, issuer, leaf, lists):
    now = datetime.datetime.now(datetime.timezone.utc)
    store = verification.Store([root])
    try:
        verified = verification.PolicyBuilder().store(store).time(now).build_client_verifier().verify(leaf, [issuer])
    except verification.VerificationError as error:
        return f"refused: {error}"
    for certificate, signer in zip(verified.chain, verified.chain[1:]):
        own = [x for x in lists if x.issuer == signer.subject and x.is_signature_valid(signer.public_key())]
        if len(own) != 1:
            return "refused: no list"
        if own[0].next_update_utc <= now:
            return "refused: the list has expired"
        if own[0].get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
            return "refused: revoked"
    return f"valid: {', '.join(str(name.value) for name in verified.subjects or [])}"


def read(path):
    with open(path, "rb") as file:
        return file.read()


certificates = [x509.load_pem_x509_certificate(read(path)) for path in sys.argv[1:4]]
blocks = re.findall(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----\n", read(sys.argv[4]), re.DOTALL)
print(judge(*certificates, [x509.load_pem_x509_crl(block) for block in blocks]))
