/**
 * IP addresses as four 32-bit words, IPv4 in its mapped form (`::ffff:192.0.2.7`), so that both families are compared
 * alike and a mapped address cannot pass where its plain form is denied. Used by rate limits (an IPv6 client is its
 * /64) and by the lists of networks.
 */
import { isIP, isIPv4 } from 'node:net';
import { z } from 'zod';
import { SluiceError } from '#kernel';

export type AddressWords = readonly [number, number, number, number];

const MAPPED = 0xffff;
const MAPPED_BITS = 96;

/** The words of an address, undefined where it is none. A zone (`fe80::1%eth0`) is left out of account. */
export function parseAddress(text: string): AddressWords | undefined {
  const zone = text.indexOf('%');
  const address = zone < 0 ? text : text.slice(0, zone);
  const family = isIP(address);
  if (family === 0) return undefined;
  if (family === 4) return [0, 0, MAPPED, parseV4(address)];
  return parseV6(address);
}

function parseV4(text: string): number {
  return text.split('.').reduce((word, part) => ((word << 8) | Number(part)) >>> 0, 0);
}

/** Of what `isIP` has found to be well formed. */
function parseV6(text: string): AddressWords {
  const lastColon = text.lastIndexOf(':');
  const tail = text.slice(lastColon + 1);
  let plain = text;
  if (isIPv4(tail)) {
    const word = parseV4(tail);
    plain = `${text.slice(0, lastColon + 1)}${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`;
  }
  const [head = '', rest] = plain.split('::');
  const left = groups(head);
  const right = rest === undefined ? [] : groups(rest);
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  const word = (at: number) => (((all[at] as number) << 16) | (all[at + 1] as number)) >>> 0;
  return [word(0), word(2), word(4), word(6)];
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

function isMappedV4(words: AddressWords): boolean {
  return words[0] === 0 && words[1] === 0 && words[2] === MAPPED;
}

/** Whom an address stands for when requests are counted: itself for IPv4, its /64 for IPv6. */
export function addressBucket(text: string): string {
  const words = parseAddress(text);
  if (words === undefined) return text;
  return isMappedV4(words) ? `4:${words[3].toString(16)}` : `6:${words[0].toString(16)}:${words[1].toString(16)}`;
}

/** Networks, asked in a time that grows with how many prefix lengths there are, not with how many networks. */
export class Networks {
  readonly #byBits = new Map<number, Set<string>>();

  /** @throws CONFIG_INVALID when one is neither an address nor `address/bits` */
  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const { words, bits } = parseNetwork(network);
      const set = this.#byBits.get(bits) ?? new Set();
      set.add(maskedName(words, bits));
      this.#byBits.set(bits, set);
    }
  }

  has(words: AddressWords): boolean {
    for (const [bits, names] of this.#byBits) if (names.has(maskedName(words, bits))) return true;
    return false;
  }
}

function parseNetwork(text: string): { words: AddressWords; bits: number } {
  const [address = '', length, more] = text.split('/');
  const words = parseAddress(address);
  const most = isIPv4(address) ? 32 : 128;
  const bits = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  if (words === undefined || more !== undefined || address.includes('%') || !(bits <= most)) {
    throw new SluiceError('CONFIG_INVALID', `"${text}" is not an address or a network such as 192.0.2.0/24`);
  }
  return { words, bits: most === 32 ? bits + MAPPED_BITS : bits };
}

function maskedName(words: AddressWords, bits: number): string {
  let name = '';
  for (let i = 0; i < 4; i++) {
    const kept = Math.min(32, Math.max(0, bits - 32 * i));
    const mask = kept === 0 ? 0 : (0xffffffff << (32 - kept)) >>> 0;
    name += `${(((words[i] as number) & mask) >>> 0).toString(36)}.`;
  }
  return name;
}

/** A field of declarations that lists networks. */
export const networkNames = z
  .array(
    z.string().refine((text) => {
      const [address = '', bits = ''] = text.split('/');
      return isIP(address) !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (isIPv4(address) ? 32 : 128);
    }, 'must be a network such as 10.0.0.0/8'),
  )
  .max(64)
  .default([]);
