/**
 * Policy `webhook`: requests signed as Standard Webhooks says (`webhook-id`, `webhook-timestamp`, `webhook-signature` with
 * `v1` HMAC-SHA256 over id, time and body). Several secrets may be good at once, so that they can be rotated; a message
 * is taken once. Called for each request of a route that receives webhooks, with its whole body.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { type Clock, EMPTY, SluiceError } from '#kernel';
import type { BodyStep, GatewayRequest, Policy, Verdict } from '../policy.ts';
import { fieldOf } from './fields.ts';
import { Replays } from './replays.ts';
import type { SharedTable } from './shared-table.ts';

const SECRET_BYTES_MIN = 16;
const SIGNATURES_MAX = 16;

export const webhookSchema = z.strictObject({
  secrets: z.array(z.string().min(1).max(512)).min(1).max(8).describe('`whsec_` and base64, or base64 alone'),
  tolerance_s: z.int().min(1).max(3600).default(300),
  once: z.boolean().default(true).describe('Take a message id once'),
});

export type WebhookSpec = z.infer<typeof webhookSchema>;

export interface SignatureParts {
  readonly clock: Clock;
  readonly table: SharedTable;
  /** Sets the ids of this policy apart from those of others in the same table. */
  readonly scope: string;
  /** A longer body is refused. */
  readonly bodyBytesMax: number;
}

/** @throws CONFIG_INVALID where a secret is not base64 or too short */
export function compileWebhook(spec: WebhookSpec, parts: SignatureParts): Webhook {
  return new Webhook(spec.secrets.map(readSecret), spec, parts);
}

/** The bytes of a secret written as base64. The message never tells the secret. */
export function readSecret(text: string): Buffer {
  const plain = text.replace(/^whsec_/, '');
  const secret = Buffer.from(plain, 'base64');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(plain) || secret.length < SECRET_BYTES_MIN) {
    throw new SluiceError('CONFIG_INVALID', `a secret must be base64 of at least ${SECRET_BYTES_MIN} bytes`);
  }
  return secret;
}

export class Webhook implements Policy {
  readonly name = 'webhook';
  readonly body: BodyStep;
  readonly #secrets: readonly Buffer[];
  readonly #toleranceMs: number;
  readonly #replays: Replays | undefined;
  readonly #clock: Clock;

  constructor(secrets: readonly Buffer[], spec: WebhookSpec, { clock, table, scope, bodyBytesMax }: SignatureParts) {
    const check = (request: GatewayRequest) => this.#verdict(request);
    this.body = { bytesMax: bodyBytesMax, whenLonger: 'refuse', always: true, check };
    this.#secrets = secrets;
    this.#toleranceMs = spec.tolerance_s * 1000;
    this.#clock = clock;
    this.#replays = spec.once ? new Replays(table, scope, 2 * this.#toleranceMs + 1000) : undefined;
  }

  #verdict(request: GatewayRequest): Verdict {
    const id = fieldOf(request, 'webhook-id');
    const timestamp = fieldOf(request, 'webhook-timestamp');
    const signatures = fieldOf(request, 'webhook-signature');
    if (!id || timestamp === undefined || signatures === undefined) return new SluiceError('SIGNATURE_MISSING');
    if (!/^\d{1,12}$/.test(timestamp)) return new SluiceError('SIGNATURE_INVALID');
    if (!this.#isSigned(`${id}.${timestamp}.`, request.body ?? EMPTY, signatures))
      return new SluiceError('SIGNATURE_INVALID');
    if (Math.abs(this.#clock.now() - Number(timestamp) * 1000) > this.#toleranceMs)
      return new SluiceError('SIGNATURE_EXPIRED');
    return this.#replays?.claim(id);
  }

  /** All pairs are compared, so that the time says nothing about which held. */
  #isSigned(head: string, body: Uint8Array, signatures: string): boolean {
    const given = signatures
      .split(' ')
      .slice(0, SIGNATURES_MAX)
      .filter((one) => one.startsWith('v1,'));
    let held = false;
    for (const secret of this.#secrets) {
      const expected = createHmac('sha256', secret).update(head).update(body).digest();
      for (const one of given) held = isSame(expected, Buffer.from(one.slice(3), 'base64')) || held;
    }
    return held;
  }
}

/** In constant time for what has the right length. */
export function isSame(expected: Buffer, given: Buffer): boolean {
  return given.length === expected.length && timingSafeEqual(expected, given);
}
