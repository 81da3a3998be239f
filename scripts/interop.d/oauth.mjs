// Verifies an access token as a service would, with jose. The CA is in NODE_EXTRA_CA_CERTS.
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { readFileSync } from 'node:fs';

const [issuer, device] = process.argv.slice(2);
const token = readFileSync(0, 'utf8').trim();
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
const { payload } = await jwtVerify(token, keys, {
    issuer,
    audience: issuer,
    typ: 'at+jwt',
    algorithms: ['ES256'],
    subject: `device:${device}`,
    requiredClaims: ['client_id', 'jti', 'cnf'],
});
console.log('valid', JSON.stringify(payload));
