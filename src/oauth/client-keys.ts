/**
 * The public keys a client signs its assertions with: written into its declaration, or fetched from its `jwks_uri`. A
 * fetched set is bounded, is fetched again for an unknown key but not within the cool-down, and redirects are not followed.
 */
import type { FetchImplementation, JSONWebKeySet, JWTVerifyGetKey } from 'jose';
import type { Limits } from '#kernel';
import type { ClientSpec } from '#resource';
import { jose } from './jose.ts';

type Limited = Pick<Limits, 'keySetBytesMax' | 'keySetMs'>;

export class ClientKeys {
  readonly #limits: Limited;
  /** By spec, which is another object once the client was changed. */
  readonly #sets = new WeakMap<ClientSpec, JWTVerifyGetKey>();

  constructor(limits: Limited) {
    this.#limits = limits;
  }

  /** Undefined where a client has none. */
  of(spec: ClientSpec): JWTVerifyGetKey | undefined {
    const { jwks, jwks_uri } = spec.oauth ?? {};
    let set = this.#sets.get(spec);
    if (set === undefined) {
      if (jwks !== undefined) set = jose().createLocalJWKSet(jwks as JSONWebKeySet);
      else if (jwks_uri !== undefined) set = this.#remote(jwks_uri);
      else return undefined;
      this.#sets.set(spec, set);
    }
    return set;
  }

  #remote(url: string): JWTVerifyGetKey {
    const { keySetMs, keySetBytesMax } = this.#limits;
    const { createRemoteJWKSet, customFetch } = jose();
    const fetchBounded: FetchImplementation = async (address, options) => {
      const response = await fetch(address, options);
      return new Response(await readBounded(response, keySetBytesMax), { status: response.status });
    };
    return createRemoteJWKSet(new URL(url), { timeoutDuration: keySetMs, [customFetch]: fetchBounded });
  }
}

/** @throws where the answer is larger */
async function readBounded(response: Response, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    // Leaving the loop cancels the body.
    if (bytes > bytesMax) throw new Error(`the key set is larger than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
