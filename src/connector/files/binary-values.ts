/** Values of binary formats as the contract has them: decimals and times with every digit. */

const DAY_MS = 86_400_000;
const PARTS = { millis: 1_000n, micros: 1_000_000n, nanos: 1_000_000_000n } as const;
export type Unit = keyof typeof PARTS;

/** Big-endian two's complement, as decimals are in bytes. */
export function wholeOf(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n;
  const value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  return BigInt.asIntN(bytes.length * 8, value);
}

export function decimalOf(unscaled: bigint, scale: number): string {
  if (scale <= 0) return String(unscaled * 10n ** BigInt(-scale));
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

export function dateOf(days: number): string {
  return new Date(days * DAY_MS).toISOString().replace(/T.*/, '');
}

/** `01:02:03.123456`, since midnight. */
export function timeOf(count: bigint, unit: Unit): string {
  const { text, fraction } = split(count, unit);
  return `${text.slice(text.indexOf('T') + 1)}${fraction}`;
}

/** Without its zone: `Z` is the caller's. */
export function instantOf(count: bigint, unit: Unit): string {
  const { text, fraction } = split(count, unit);
  return `${text}${fraction}`;
}

function split(count: bigint, unit: Unit): { text: string; fraction: string } {
  const parts = PARTS[unit];
  const rest = ((count % parts) + parts) % parts;
  const seconds = (count - rest) / parts;
  const text = new Date(Number(seconds) * 1_000).toISOString().slice(0, -5);
  return { text, fraction: rest === 0n ? '' : `.${String(rest).padStart(String(parts).length - 1, '0')}` };
}

/** Nested values as JSON: whole numbers beyond 2^53 and bytes are text. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === 'bigint') return Number.isSafeInteger(Number(inner)) ? Number(inner) : String(inner);
    if (inner instanceof Uint8Array) return Buffer.from(inner).toString('base64');
    // What a Buffer has made of itself before it came here.
    const { type, data } = (inner ?? {}) as { type?: unknown; data?: unknown };
    return type === 'Buffer' && Array.isArray(data) ? Buffer.from(data as number[]).toString('base64') : inner;
  });
}
