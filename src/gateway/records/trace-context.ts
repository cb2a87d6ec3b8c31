/**
 * The trace a request belongs to (W3C Trace Context): taken from `traceparent` where that is well formed, else begun here.
 * The gateway's own part in it is one span, which is the parent of whatever the upstream does. Pure, but for chance.
 *
 *   traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *                version   trace id                     parent id     flags, of which one is known: sampled
 */
import { randomFillSync } from 'node:crypto';

export interface TraceContext {
  readonly traceId: string;
  /** The gateway's span. */
  readonly spanId: string;
  /** The caller's span; empty where the trace begins here. */
  readonly parentId: string;
  readonly sampled: boolean;
  /** `tracestate` to be passed on; empty: none. */
  readonly state: string;
}

const PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);
const SAMPLED = 1;
const STATE_MEMBERS_MAX = 32;
const STATE_LENGTH_MAX = 4_096;
const STATE_KEY = /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})$/;
const STATE_VALUE = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

const SPAN_BYTES = 8;
const TRACE_BYTES = 16;
const chance = Buffer.alloc(SPAN_BYTES * 8_192);
let used = chance.length;

/** Random, in hexadecimal, and not all zeros. The system is asked for many at once. */
function randomId(bytes: number): string {
  if (used + bytes > chance.length) {
    randomFillSync(chance);
    used = 0;
  }
  const id = chance.toString('hex', used, used + bytes);
  chance.fill(0, used, used + bytes);
  used += bytes;
  return /^0+$/.test(id) ? randomId(bytes) : id;
}

/**
 * @param headers names in lower case and values in turn
 * @param samples asked where the trace begins here
 */
export function traceContext(headers: readonly string[], samples: () => boolean): TraceContext {
  let parent: string | undefined;
  let state = '';
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i];
    // Two of them are none.
    if (name === 'traceparent') parent = parent === undefined ? (headers[i + 1] as string) : '';
    else if (name === 'tracestate') state = state === '' ? (headers[i + 1] as string) : `${state},${headers[i + 1]}`;
  }
  const found = parent === undefined ? null : PARENT.exec(parent);
  if (found !== null) {
    const [, version, traceId = '', parentId = '', flags = '', more] = found;
    const known = version !== 'ff' && (version !== '00' || more === undefined);
    if (known && traceId !== NO_TRACE && parentId !== NO_SPAN) {
      const sampled = (Number.parseInt(flags, 16) & SAMPLED) !== 0;
      return { traceId, parentId, sampled, spanId: randomId(SPAN_BYTES), state: isState(state) ? state : '' };
    }
  }
  const sampled = samples();
  return { traceId: randomId(TRACE_BYTES), spanId: randomId(SPAN_BYTES), parentId: '', sampled, state: '' };
}

/** What the upstream is sent, added to its headers. */
export function addTrace(headers: string[], { traceId, spanId, sampled, state }: TraceContext): void {
  headers.push('traceparent', `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`);
  if (state !== '') headers.push('tracestate', state);
}

function isState(text: string): boolean {
  if (text === '') return true;
  if (text.length > STATE_LENGTH_MAX) return false;
  const keys = new Set<string>();
  const members = text
    .split(',')
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((member) => member !== '');
  for (const member of members) {
    const equals = member.indexOf('=');
    const key = member.slice(0, equals);
    if (equals < 1 || keys.has(key) || !STATE_KEY.test(key) || !STATE_VALUE.test(member.slice(equals + 1)))
      return false;
    keys.add(key);
  }
  return members.length <= STATE_MEMBERS_MAX;
}
