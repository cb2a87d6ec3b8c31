/**
 * The policy of a route with `idempotency`, on listener threads. The main thread, which all of them ask, says who is first.
 *
 *   key ─▶ reserved, on the disk ─▶ upstream ─▶ answer kept, on the disk ─▶ client
 *      ├─▶ known and answered: the same answer, marked `idempotent-replayed`
 *      └─▶ under way, used for another request, not answerable: refused
 *
 * The upstream is heard out when the client goes away, so that its next try finds the answer. Answers 429 and 503 say that
 * nothing was done: they are passed on, and the key is free again.
 */
import { createHash } from 'node:crypto';
import { SluiceError } from '#kernel';
import { callerOf } from '../caller.ts';
import type { ThreadLink } from '../link.ts';
import type { AnswerStep, BodyStep, GatewayRequest, Outcome, Policy, Verdict, WholeAnswer } from '../policy.ts';
import { routeOfStatus } from '../queued/policy.ts';
import type { NamedRoute } from '../table.ts';
import type { IdempotencySpec } from './schema.ts';
import { decodeAnswer, encodeAnswer } from './stored-answer.ts';

const HEADER = 'idempotency-key';
const REPLAYED = 'idempotent-replayed';
const KEY_CHARS_MAX = 255;
/** A string of structured fields, or, as most clients send it, bare. */
const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;
const BARE = /^[A-Za-z0-9._~:/+=-]+$/;
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);
const NOT_DONE = new Set([429, 503]);

interface Held {
  readonly place: string;
  reserved: boolean;
  /** The answer is kept, or the key is free again. */
  settled: boolean;
  ended: boolean;
}

export class IdempotencyPolicy implements Policy {
  readonly name = 'idempotency';
  readonly body: BodyStep;
  readonly answer: AnswerStep;
  readonly #route: string;
  readonly #spec: IdempotencySpec;
  readonly #link: ThreadLink;
  readonly #held = new WeakMap<GatewayRequest, Held>();

  constructor({ name }: NamedRoute, spec: IdempotencySpec, link: ThreadLink) {
    this.#route = name;
    this.#spec = spec;
    this.#link = link;
    this.body = {
      bytesMax: spec.body_bytes_max,
      whenLonger: 'refuse',
      always: true,
      check: (request) => this.#check(request),
    };
    this.answer = {
      bytesMax: spec.answer_bytes_max,
      whenLonger: 'pass',
      wants: (request) => this.#held.get(request)?.reserved === true,
      edit: (request, answer) => this.#keep(request, answer),
    };
  }

  #check(request: GatewayRequest): Verdict | Promise<Verdict> {
    if (SAFE.has(request.method) || routeOfStatus(request.path) !== undefined) return undefined;
    const given = readKey(request.headers);
    if (given instanceof SluiceError) return given;
    if (given !== undefined) return this.#reserve(request, given);
    if (!this.#spec.required) return undefined;
    return new SluiceError('IDEMPOTENCY_KEY_MISSING', 'this route needs an Idempotency-Key with such a request');
  }

  async #reserve(request: GatewayRequest, key: string): Promise<Verdict> {
    const place = hash(this.#route, callerOf(request) ?? '', key);
    const held: Held = { place, reserved: false, settled: false, ended: false };
    this.#held.set(request, held);
    const { ttl_s, interrupted } = this.#spec;
    const repeat = interrupted === 'repeat';
    const question = { place, fingerprint: fingerprint(request), ttlMs: ttl_s * 1000, repeat };
    const stored = await this.#link.ask('reserveKey', question);
    if (stored !== undefined) {
      const { status, headers, body } = decodeAnswer(stored);
      return { status, headers: [...headers, REPLAYED, 'true'], body };
    }
    held.reserved = true;
    request.outlives = true;
    // The client went away meanwhile, and nothing was sent.
    if (held.ended) await this.#link.ask('endKey', { place, reached: false, status: 0 });
    return undefined;
  }

  async #keep(request: GatewayRequest, answer: WholeAnswer): Promise<WholeAnswer> {
    const held = this.#held.get(request);
    if (held?.reserved !== true) return answer;
    held.settled = true;
    if (NOT_DONE.has(answer.status)) {
      await this.#link.ask('endKey', { place: held.place, reached: false, status: answer.status });
      return answer;
    }
    const bytes = encodeAnswer(answer);
    await this.#link.ask('keepAnswer', { place: held.place, status: answer.status, bytes }, [
      bytes.buffer as ArrayBuffer,
    ]);
    return answer;
  }

  ended(request: GatewayRequest, { reached, status, code }: Outcome): void {
    const held = this.#held.get(request);
    if (held === undefined) return;
    held.ended = true;
    if (!held.reserved || held.settled) return;
    // Whoever asks for the key before this is heard is told that it is under way.
    void this.#link.ask('endKey', { place: held.place, reached, status: code === undefined ? status : 0 });
  }
}

/** Undefined where there is none. */
function readKey(headers: readonly string[]): string | undefined | SluiceError {
  let text: string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== HEADER) continue;
    if (text !== undefined) return new SluiceError('IDEMPOTENCY_KEY_INVALID', 'there is more than one Idempotency-Key');
    text = (headers[i + 1] as string).trim();
  }
  if (text === undefined) return undefined;
  const key = QUOTED.exec(text)?.[1]?.replace(/\\(.)/g, '$1') ?? (BARE.test(text) ? text : '');
  if (key !== '' && key.length <= KEY_CHARS_MAX) return key;
  const form = `a string in quotes of 1 to ${KEY_CHARS_MAX} characters`;
  return new SluiceError('IDEMPOTENCY_KEY_INVALID', `the Idempotency-Key is not ${form}`);
}

/** What two requests of one key must agree in. */
function fingerprint(request: GatewayRequest): string {
  const { method, host, path, query, body } = request;
  const head = hash(method, host, path, query, request.header('content-type') ?? '');
  return createHash('sha256')
    .update(head)
    .update(body ?? '')
    .digest('hex');
}

/** None of the parts can hold the separator. */
function hash(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex');
}
