/**
 * One page of a read: the request with the size and the place of the page in it, the records of the answer, and where the next
 * page is. A page that is the one before once more (an old answer from a cache on the way) is asked for again. Used by
 * `passes.ts`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { processMs, SluiceError } from '#kernel';
import { type HttpClient, PATIENCE_MS } from './client.ts';
import type { Answer, HttpRead, HttpRequest, JobPaging, JsonObject, Place, ReadScope, Token } from './declaration.ts';
import { plainText } from './exact-json.ts';
import { at, withAt } from './paths.ts';

const JOB_PAUSE_MS = 1_000;
/** A job that is not done after this gives an empty page, so that whoever reads can stop or go on. */
const JOB_PATIENCE_MS = 10_000;
const REPEATS_MAX = 3;

export interface SourcePage {
  readonly records: readonly JsonObject[];
  /** Undefined: it was the last one. */
  readonly next: Token | undefined;
}

interface JobToken {
  readonly job: string;
  readonly done?: boolean;
  readonly next?: string;
}

export class Pages {
  readonly #client: HttpClient;
  readonly #read: HttpRead;
  readonly #sizeMax: number;
  #before: string | undefined;

  /** @param sizeMax how many records whoever reads wants in a page */
  constructor(client: HttpClient, read: HttpRead, sizeMax: number) {
    this.#client = client;
    this.#read = read;
    this.#sizeMax = sizeMax;
  }

  /** @throws ENDPOINT_FAILED where the system leads in a circle */
  async fetch(scope: ReadScope, token: Token | undefined): Promise<SourcePage> {
    for (let repeat = 0; ; repeat++) {
      const page = await this.#fetchOnce(scope, token);
      const print = page.records.length === 0 ? undefined : JSON.stringify(page.records);
      const same = print !== undefined && print === this.#before && token !== undefined;
      const stuck = page.next !== undefined && JSON.stringify(page.next) === JSON.stringify(token) && !isJob(token);
      if (!same && !stuck) {
        this.#before = print;
        return page;
      }
      if (repeat === REPEATS_MAX)
        throw new SluiceError('ENDPOINT_FAILED', 'the system gives the same page again and again');
    }
  }

  async #fetchOnce(scope: ReadScope, token: Token | undefined): Promise<SourcePage> {
    const { request, paging } = this.#read;
    const first = typeof request === 'function' ? request(scope) : request;
    const values = scope.partition;
    if (paging?.kind === 'job') return this.#fetchJob(paging, first, token as JobToken | undefined, values);
    const placed = this.#placed(first, token);
    const answer = await this.#client.ask(placed, { values });
    const records = answer.verdict === 'ignore' ? [] : this.#recordsOf(answer);
    return { records, next: this.#nextOf(answer, records, token) };
  }

  #size(max: number): number {
    return Math.max(1, Math.min(max, this.#sizeMax));
  }

  #placed(request: HttpRequest, token: Token | undefined): HttpRequest {
    const { paging } = this.#read;
    if (paging === undefined || paging.kind === 'job') return request;
    const { size } = paging;
    const sized = size === undefined ? request : place(request, size, this.#size(size.max));
    if (paging.kind === 'page' || paging.kind === 'offset') {
      const first = paging.first ?? (paging.kind === 'page' ? 1 : 0);
      return place(sized, paging.send, typeof token === 'number' ? token : first);
    }
    if (token === undefined || token === null) return sized;
    if (paging.kind === 'link' || paging.send === 'url') {
      const { query: _, ...rest } = sized;
      return { ...rest, path: String(token) };
    }
    return place(sized, paging.send, token as string | number);
  }

  #recordsOf({ body }: Answer): readonly JsonObject[] {
    const { records } = this.#read;
    const found = typeof records === 'function' ? records(body) : at(body, records);
    if (found === undefined || found === null) return [];
    if (!Array.isArray(found)) return [found as JsonObject];
    return found as readonly JsonObject[];
  }

  #nextOf(answer: Answer, records: readonly JsonObject[], token: Token | undefined): Token | undefined {
    const { paging } = this.#read;
    switch (paging?.kind) {
      case 'link':
        return nextLink(answer.headers['link']);
      case 'cursor': {
        if (paging.more !== undefined && at(answer.body, paging.more) !== true) return undefined;
        const found = typeof paging.next === 'function' ? paging.next(answer, records) : at(answer.body, paging.next);
        // Of a path that leads to many, such as the ids of all records, the last one is where it goes on.
        const next = Array.isArray(found) ? (found as unknown[]).at(-1) : found;
        if (next === undefined || next === null || next === '' || next === false) return undefined;
        return typeof next === 'number' ? next : plainText(next);
      }
      case 'page':
      case 'offset': {
        const first = paging.first ?? (paging.kind === 'page' ? 1 : 0);
        const current = typeof token === 'number' ? token : first;
        const next = paging.kind === 'page' ? current + 1 : current + records.length;
        const total = paging.total === undefined ? undefined : Number(at(answer.body, paging.total));
        const size = this.#size(paging.size.max);
        const given = paging.kind === 'page' ? (next - first) * size : next - first;
        const ends = total === undefined || Number.isNaN(total) ? records.length < size : given >= total;
        return ends || records.length === 0 ? undefined : next;
      }
      default:
        return undefined;
    }
  }

  async #fetchJob(
    paging: JobPaging,
    create: HttpRequest,
    token: JobToken | undefined,
    values: JsonObject,
  ): Promise<SourcePage> {
    if (token === undefined || token === null) {
      const id = at((await this.#client.ask(create, { values })).body, paging.id);
      if (id === undefined) throw new SluiceError('ENDPOINT_FAILED', 'the system made a job without a name');
      // It is in the state before anything else happens, so that a crash does not make it twice.
      return { records: [], next: { job: plainText(id) } };
    }
    const { job } = token;
    if (token.done !== true && !(await this.#isDone(paging, job))) return { records: [], next: { job } };
    const answer = await this.#client.ask(paging.results(job, token.next));
    const next = paging.next(answer);
    return { records: this.#recordsOf(answer), next: next === undefined ? undefined : { job, done: true, next } };
  }

  /** @throws ENDPOINT_FAILED when the job has failed */
  async #isDone({ poll, state, pauseMs = JOB_PAUSE_MS }: JobPaging, job: string): Promise<boolean> {
    const untilMs = processMs() + Math.min(JOB_PATIENCE_MS, PATIENCE_MS);
    for (;;) {
      const found = state((await this.#client.ask(poll(job))).body);
      if (found === 'done') return true;
      if (found !== 'running') throw new SluiceError('ENDPOINT_FAILED', `job ${job} failed: ${found.failed}`);
      if (processMs() + pauseMs > untilMs) return false;
      await sleep(pauseMs);
    }
  }
}

function isJob(token: Token | undefined): boolean {
  return typeof token === 'object' && token !== null && 'job' in token;
}

function place(request: HttpRequest, where: Place, value: string | number): HttpRequest {
  if ('query' in where) return { ...request, query: { ...request.query, [where.query]: value } };
  if ('form' in where) return { ...request, form: { ...request.form, [where.form]: value } };
  if ('header' in where) return { ...request, headers: { ...request.headers, [where.header]: String(value) } };
  return { ...request, json: withAt(request.json, where.json, value) };
}

/** RFC 8288, as far as systems use it. */
function nextLink(header: string | undefined): string | undefined {
  for (const link of (header ?? '').split(/,(?=\s*<)/)) {
    const [, address, parameters = ''] = /^\s*<([^>]*)>(.*)$/.exec(link) ?? [];
    if (/;\s*rel\s*=\s*"?(?:[^"]*\s)?next(?:\s[^"]*)?"?\s*(?:;|$)/i.test(parameters)) return address;
  }
  return undefined;
}
