/**
 * Policy `signature`: requests signed by a shared secret as RFC 9421 says, with `hmac-sha256`. The declaration lists what
 * must be covered; a body must be covered by its `Content-Digest`, which is checked. `created` must be near now, and a
 * signature (or its nonce) is taken once. Called for each request of a route that asks for signatures, with its body.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { type Clock, EMPTY, SluiceError } from '#kernel';
import type { BodyStep, GatewayRequest, Policy, Verdict } from '../policy.ts';
import { fieldOf } from './fields.ts';
import { Replays } from './replays.ts';
import { readByteFields, readSignatureInputs, type SignatureInput } from './signature-fields.ts';
import { isSame, readSecret, type SignatureParts } from './webhooks.ts';

const component = z.string().regex(/^(@(method|authority|path|query|request-target)|[a-z0-9-]{1,128})$/);

export const signedRequestsSchema = z.strictObject({
  keys: z
    .array(z.strictObject({ id: z.string().min(1).max(128), secret: z.string().min(1).max(512).describe('base64') }))
    .min(1)
    .max(1_000),
  components: z.array(component).min(1).max(32).default(['@method', '@authority', '@path', '@query']),
  tolerance_s: z.int().min(1).max(3600).default(300),
  once: z.boolean().default(true).describe('Take a signature once'),
});

export type SignedRequestsSpec = z.infer<typeof signedRequestsSchema>;

/** @throws CONFIG_INVALID where a secret is not good or a key is declared twice */
export function compileSignedRequests(spec: SignedRequestsSpec, parts: SignatureParts): SignedRequests {
  const keys = new Map(spec.keys.map(({ id, secret }) => [id, readSecret(secret)]));
  if (keys.size < spec.keys.length) throw new SluiceError('CONFIG_INVALID', 'two keys for signatures have one id');
  return new SignedRequests(keys, spec, parts);
}

export class SignedRequests implements Policy {
  readonly name = 'signature';
  readonly body: BodyStep;
  readonly #keys: ReadonlyMap<string, Buffer>;
  readonly #required: readonly string[];
  readonly #toleranceMs: number;
  readonly #replays: Replays | undefined;
  readonly #clock: Clock;
  /** An unknown key costs the same time as a known one. */
  readonly #noKey = randomBytes(32);

  constructor(keys: ReadonlyMap<string, Buffer>, spec: SignedRequestsSpec, parts: SignatureParts) {
    const { clock, table, scope, bodyBytesMax } = parts;
    const check = (request: GatewayRequest) => this.#verdict(request);
    this.body = { bytesMax: bodyBytesMax, whenLonger: 'refuse', always: true, check };
    this.#keys = keys;
    this.#required = spec.components;
    this.#toleranceMs = spec.tolerance_s * 1000;
    this.#clock = clock;
    this.#replays = spec.once ? new Replays(table, scope, 2 * this.#toleranceMs + 1000) : undefined;
  }

  #verdict(request: GatewayRequest): Verdict {
    const inputField = fieldOf(request, 'signature-input');
    const signatureField = fieldOf(request, 'signature');
    if (inputField === undefined || signatureField === undefined) return new SluiceError('SIGNATURE_MISSING');
    const signatures = readByteFields(signatureField);
    for (const [label, input] of readSignatureInputs(inputField)) {
      const signature = signatures.get(label);
      // Others may have signed too, in ways of their own: the first of ours decides.
      if (signature === undefined || (input.parameters.get('alg') ?? 'hmac-sha256') !== 'hmac-sha256') continue;
      return this.#decide(request, input, signature);
    }
    return new SluiceError('SIGNATURE_INVALID');
  }

  #decide(request: GatewayRequest, input: SignatureInput, signature: Buffer): Verdict {
    const keyId = String(input.parameters.get('keyid') ?? '');
    const base = signatureBase(request, input);
    const expected = createHmac('sha256', this.#keys.get(keyId) ?? this.#noKey)
      .update(base ?? '')
      .digest();
    const held = isSame(expected, signature) && this.#keys.has(keyId) && base !== undefined;
    if (!held || !this.#covers(request, input)) return new SluiceError('SIGNATURE_INVALID');
    if (!this.#isTimely(input)) return new SluiceError('SIGNATURE_EXPIRED');
    const nonce = input.parameters.get('nonce') ?? signature.toString('base64');
    const replayed = this.#replays?.claim(`${keyId}\0${nonce}`);
    if (replayed === undefined) request.client = { name: keyId, scopes: [], key: keyId };
    return replayed;
  }

  #covers(request: GatewayRequest, { components }: SignatureInput): boolean {
    const { body = EMPTY } = request;
    if (!this.#required.every((one) => components.includes(one))) return false;
    const digested = components.includes('content-digest');
    if (!digested) return body.length === 0;
    return isDigest(fieldOf(request, 'content-digest') ?? '', body);
  }

  #isTimely({ parameters }: SignatureInput): boolean {
    const now = this.#clock.now();
    const created = parameters.get('created');
    const expires = parameters.get('expires');
    if (typeof created !== 'number' || Math.abs(now - created * 1000) > this.#toleranceMs) return false;
    return expires === undefined || (typeof expires === 'number' && now < expires * 1000);
  }
}

/** Every digest named must hold, and at least one be of a kind that is known. */
function isDigest(field: string, body: Uint8Array): boolean {
  let known = 0;
  for (const [algorithm, digest] of readByteFields(field)) {
    if (algorithm !== 'sha-256' && algorithm !== 'sha-512') continue;
    if (!isSame(createHash(algorithm.replace('-', '')).update(body).digest(), digest)) return false;
    known++;
  }
  return known > 0;
}

/** What was signed (RFC 9421 2.5), undefined where a component is missing or of no kind known here. */
function signatureBase(request: GatewayRequest, { components, text }: SignatureInput): string | undefined {
  let base = '';
  for (const one of components) {
    const value = one.startsWith('@') ? derived(request, one) : fieldOf(request, one)?.trim();
    if (value === undefined) return undefined;
    base += `"${one}": ${value}\n`;
  }
  return `${base}"@signature-params": ${text}`;
}

function derived(request: GatewayRequest, name: string): string | undefined {
  const { method, path, query } = request;
  if (name === '@method') return method;
  if (name === '@authority') return fieldOf(request, 'host')?.toLowerCase();
  if (name === '@path') return path;
  if (name === '@query') return `?${query}`;
  if (name === '@request-target') return query === '' ? path : `${path}?${query}`;
  return undefined;
}
