/** What tests of policies share: an upstream that tells what it was sent, an issuer of tokens, signed and unsigned requests. */
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { behindShared, LOOPBACK, startUpstream } from './gateway-fixture.ts';

/** The shared gateway before an upstream that answers with what it was sent. */
export const echo = () =>
  behindShared((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.setHeader('access-control-allow-origin', 'https://upstream.example');
      response.end(JSON.stringify({ headers: request.headers, body: Buffer.concat(chunks).toString() }));
    });
  });

export const post = (url: string, body: string | Buffer, headers: Record<string, string> = {}) =>
  fetch(url, { method: 'POST', body: new Uint8Array(Buffer.from(body)), headers });

/** An issuer of tokens whose keys are at a server of this process. */
export async function issuer() {
  const pair = await generateKeyPair('ES256');
  const other = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'one', alg: 'ES256', use: 'sig' };
  let fetched = 0;
  const { port } = await startUpstream((request, response) => {
    if (request.url === '/away') {
      response.writeHead(302, { location: '/jwks' }).end();
      return;
    }
    fetched++;
    response.end(JSON.stringify({ keys: [jwk] }));
  });
  const sign = (claims: Record<string, unknown> = {}, header: object = {}, forged = false) =>
    new SignJWT({ iss: 'https://issuer.example', aud: 'api', sub: 'ann', scope: 'read', ...claims })
      .setIssuedAt()
      .setProtectedHeader({ alg: 'ES256', kid: 'one', typ: 'at+jwt', ...header })
      .sign(forged ? other.privateKey : pair.privateKey);
  const spec = (more: object = {}, path = '/jwks') => ({
    networks: LOOPBACK,
    ...more,
    issuers: [
      {
        issuer: 'https://issuer.example',
        audiences: ['api'],
        algorithms: ['ES256'],
        jwks_url: `http://127.0.0.1:${port}${path}`,
      },
    ],
  });
  return { sign, spec, fetched: () => fetched };
}

export const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;
