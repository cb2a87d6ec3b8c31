/** The public vectors for JSON Web Signatures, through the verifier that the gateway uses. */
import type { JWK } from 'jose';
import { describe, expect, test } from 'vitest';
import {
  type Algorithm,
  PUBLIC_KEY_ALGORITHMS,
  SECRET_ALGORITHMS,
  verifyJws,
} from '../../../src/gateway/policies/jws.ts';
import { localKeys, secretKeys } from '../../../src/gateway/policies/key-set.ts';
import { vectors } from './vectors.ts';

interface Group {
  readonly group: string;
  readonly keys: JWK[];
  readonly cases: readonly (readonly [number, string, 'valid' | 'invalid', string])[];
}

interface Example {
  readonly section: string;
  readonly alg: string;
  readonly key: JWK;
  readonly payload: string;
  readonly jws: string;
}

/** Where the answer is another than the vector's, and why. */
const DEPARTURES: Readonly<Record<number, 'valid' | 'invalid'>> = {
  // The key says PS256, or ES521, which is none; the tokens are PS384 and ES512. A key's `alg` is believed.
  346: 'invalid',
  347: 'invalid',
  350: 'invalid',
  351: 'invalid',
  // Byte for byte the valid token 357: the padding they are about is not in the file.
  367: 'valid',
  370: 'valid',
  // A question mark in the header or the payload, to be passed over. It is not.
  372: 'invalid',
  373: 'invalid',
};

/** All algorithms of a kind are allowed: what an invalid token has wrong must be found, not left to a narrow list. */
async function verify(keys: JWK[], jws: string) {
  const secret = keys.every(({ kty }) => kty === 'oct');
  const algorithms: readonly Algorithm[] = secret ? SECRET_ALGORITHMS : PUBLIC_KEY_ALGORITHMS;
  return await verifyJws(jws, secret ? secretKeys({ keys }) : localKeys({ keys }), algorithms);
}

describe('the vectors of wycheproof', () => {
  const groups = vectors<Group>('wycheproof-jws');

  test('are all there', () => {
    expect(groups.reduce((sum, { cases }) => sum + cases.length, 0)).toBe(401);
  });

  test('include two that are called invalid and are the same as a valid one', () => {
    const jws = new Map(groups.flatMap(({ cases }) => cases.map(([id, , , token]) => [id, token] as const)));
    expect([jws.get(367), jws.get(370)]).toEqual([jws.get(357), jws.get(357)]);
  });

  test.each(groups.map((group, at) => [`${at} ${group.group}`, group] as const))('hold: group %s', async (_, group) => {
    const wrong: string[] = [];
    for (const [id, comment, result, jws] of group.cases) {
      const found = await verify(group.keys, jws).then(
        () => 'valid',
        ({ code }: { code?: string }) => (code?.startsWith('TOKEN_') ? 'invalid' : `not coded: ${code}`),
      );
      if (found !== (DEPARTURES[id] ?? result)) wrong.push(`${id} ${comment}: ${found}, must be ${result}`);
    }
    expect(wrong).toEqual([]);
  });
});

describe('the examples of RFC 7520', () => {
  test.each(vectors<Example>('rfc7520-jws').map((one) => [one.section, one] as const))(
    'of section %s hold, and not with another payload',
    async (_, { key, payload, jws }) => {
      const verified = await verify([key], jws);
      expect(Buffer.from(verified.payload).toString('utf8')).toBe(payload);
      const [header, , signature] = jws.split('.');
      const forged = `${header}.${Buffer.from(`${payload}!`).toString('base64url')}.${signature}`;
      await expect(verify([key], forged)).rejects.toMatchObject({ code: 'TOKEN_SIGNATURE_WRONG' });
    },
  );
});
