/**
 * Whether a delivery was sent by who knows the secret, and lately: the signatures of Standard Webhooks, GitHub, Stripe, Slack,
 * and the plain HMAC that many others send in a header. Pure functions; called by connections that receive.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { SluiceError } from '#kernel';
import type { Delivery } from '../contract.ts';

/** Several secrets are good at once while they are rotated. */
export type Signature =
  | { readonly kind: 'standard' | 'github' | 'stripe' | 'slack'; readonly secrets: readonly string[] }
  | {
      readonly kind: 'hmac';
      readonly secrets: readonly string[];
      readonly header: string;
      /** In front of the signature in the header. */
      readonly prefix?: string;
      readonly algorithm?: 'sha256' | 'sha1' | 'sha512';
      readonly encoding?: 'hex' | 'base64';
      /** A header with the id of the delivery. */
      readonly id?: string;
      /** A place in the JSON body with the time, ms since 1970, or a header with it. */
      readonly sentAt?: (delivery: Delivery) => number | undefined;
    };

export interface Verified {
  /** Names the delivery, where the system does. */
  readonly id?: string;
  /** How long one of the same id may come again with a signature that holds. */
  readonly onceMs: number;
}

const TOLERANCE_MS = 300_000;
/** For systems whose signatures hold for ever. */
const UNTIMED_MS = 24 * 3_600_000;
const SIGNATURES_MAX = 16;

/** @throws SIGNATURE_MISSING, SIGNATURE_INVALID, SIGNATURE_EXPIRED */
export function verifyDelivery(signature: Signature, delivery: Delivery): Verified {
  switch (signature.kind) {
    case 'standard':
      return standard(signature.secrets, delivery);
    case 'github':
      requireSigned(signature.secrets, [delivery.body], [field(delivery, 'x-hub-signature-256')], 'sha256=', 'hex');
      return { ...idOf(delivery, 'x-github-delivery'), onceMs: UNTIMED_MS };
    case 'stripe':
      return stripe(signature.secrets, delivery);
    case 'slack': {
      const sent = field(delivery, 'x-slack-request-timestamp');
      const given = [field(delivery, 'x-slack-signature')];
      requireSigned(signature.secrets, [`v0:${sent}:`, delivery.body], given, 'v0=', 'hex');
      requireRecent(seconds(sent), delivery);
      return { id: given[0] as string, onceMs: 2 * TOLERANCE_MS };
    }
    default: {
      const { secrets, header, prefix = '', algorithm, encoding = 'hex', id, sentAt } = signature;
      requireSigned(secrets, [delivery.body], [field(delivery, header)], prefix, encoding, algorithm);
      const sentMs = sentAt?.(delivery);
      if (sentMs !== undefined) requireRecent(sentMs, delivery);
      const onceMs = sentMs === undefined ? UNTIMED_MS : 2 * TOLERANCE_MS;
      return { ...(id === undefined ? {} : idOf(delivery, id)), onceMs };
    }
  }
}

function standard(secrets: readonly string[], delivery: Delivery): Verified {
  const id = field(delivery, 'webhook-id');
  const sent = field(delivery, 'webhook-timestamp');
  const keys = secrets.map((secret) => Buffer.from(secret.replace(/^whsec_/, ''), 'base64'));
  const given = field(delivery, 'webhook-signature')
    .split(' ')
    .filter((one) => one.startsWith('v1,'));
  requireSigned(keys, [`${id}.${sent}.`, delivery.body], given, 'v1,', 'base64');
  requireRecent(seconds(sent), delivery);
  return { id, onceMs: 2 * TOLERANCE_MS };
}

function stripe(secrets: readonly string[], delivery: Delivery): Verified {
  const parts = field(delivery, 'stripe-signature')
    .split(',')
    .map((part) => part.trim());
  const sent = parts.find((part) => part.startsWith('t='))?.slice(2) ?? '';
  const given = parts.filter((part) => part.startsWith('v1='));
  requireSigned(secrets, [`${sent}.`, delivery.body], given, 'v1=', 'hex');
  requireRecent(seconds(sent), delivery);
  return { onceMs: 2 * TOLERANCE_MS };
}

/** All pairs are compared, so that the time says nothing about which held. */
function requireSigned(
  secrets: readonly (string | Buffer)[],
  signed: readonly (string | Uint8Array)[],
  given: readonly string[],
  prefix: string,
  encoding: 'hex' | 'base64',
  algorithm = 'sha256',
): void {
  let held = false;
  for (const secret of secrets) {
    const mac = createHmac(algorithm, secret);
    for (const part of signed) mac.update(part);
    const expected = mac.digest();
    for (const one of given.slice(0, SIGNATURES_MAX)) {
      if (!one.startsWith(prefix)) continue;
      const bytes = Buffer.from(one.slice(prefix.length), encoding);
      held = (bytes.length === expected.length && timingSafeEqual(bytes, expected)) || held;
    }
  }
  if (!held) throw new SluiceError('SIGNATURE_INVALID');
}

function requireRecent(sentMs: number, { atMs }: Delivery): void {
  if (Number.isNaN(sentMs)) throw new SluiceError('SIGNATURE_INVALID', 'it says no time at which it was sent');
  if (Math.abs(atMs - sentMs) > TOLERANCE_MS) throw new SluiceError('SIGNATURE_EXPIRED');
}

function seconds(text: string): number {
  return /^\d{1,12}$/.test(text) ? Number(text) * 1000 : Number.NaN;
}

function field({ headers }: Delivery, name: string): string {
  const value = headers[name.toLowerCase()];
  if (value === undefined || value === '') throw new SluiceError('SIGNATURE_MISSING', `it has no header ${name}`);
  return value;
}

function idOf({ headers }: Delivery, name: string): { readonly id?: string } {
  const id = headers[name.toLowerCase()];
  return id === undefined ? {} : { id };
}
