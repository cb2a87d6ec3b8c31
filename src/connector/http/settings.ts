/** The settings that every HTTP connector has, for its schema. Used by connectors. */
import { isIP } from 'node:net';
import { z } from 'zod';

const MIB = 1024 * 1024;
const TIMEOUT_MS = 15_000;
/** Below what one call of a connector may take. */
const TIMEOUT_MS_MAX = 25_000;

const network = z.string().refine((text) => {
  const [address = '', bits = '', more] = text.split('/');
  const family = isIP(address);
  return family !== 0 && more === undefined && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}, 'must be a network such as 169.254.0.0/16');

/** An address of http or https without credentials in it. */
export function address() {
  return z.url({ protocol: /^https?$/ }).refine((text) => {
    const { username, password, hash } = new URL(text);
    return username === '' && password === '' && hash === '';
  }, 'must have no user, password or fragment');
}

/** @param url where the system is, unless something else is set; absent: it must be */
export function httpSettings(url?: string) {
  const at = address().describe('Address of the system');
  return {
    url: url === undefined ? at : at.prefault(url),
    timeout_ms: z.int().min(100).max(TIMEOUT_MS_MAX).default(TIMEOUT_MS).describe('How long one answer may take'),
    answer_bytes_max: z
      .int()
      .min(1024)
      .max(128 * MIB)
      .default(32 * MIB)
      .describe('The most of one answer that is read'),
    allow_networks: z
      .array(network)
      .max(64)
      .default([])
      .describe('Link-local networks and metadata services that may be reached all the same'),
  };
}

/** A text that is only taken as `{"secret": "NAME"}`. */
export function secretText(description: string) {
  return z.string().min(1).describe(description).meta({ secret: true });
}
