/**
 * Writes: a request a record, or a batch of them in one, with a result for each in order. Records of the same key are written
 * one after the other, others a few at once. What the system refuses in a batch is looked for by halves. Used by
 * `connection.ts`.
 *
 * A record fails by itself where the system says so. Where the system cannot be reached or takes no more, everything after
 * the last success is told as such, to be done again; and where nobody knows whether a request that must not be repeated was
 * carried out, that record is rejected for people to look at.
 */
import { processMs, SluiceError } from '#kernel';
import type { Row, WriteMode, WriteRequest, WriteResult } from '../contract.ts';
import { type AskOptions, type HttpClient, idempotencyKey, PATIENCE_MS, Unknown } from './client.ts';
import type { HttpBatch, HttpRequest, HttpStream, HttpUpsert, HttpWrite, JsonObject, Outgoing } from './declaration.ts';
import { stringifyExact } from './exact-json.ts';
import { Rows } from './rows.ts';

const AT_ONCE = 4;
const DONE: WriteResult = { ok: true };

type Declared = HttpWrite | HttpBatch | HttpUpsert;

interface Numbered extends Outgoing {
  readonly place: number;
  /** Of its keys. */
  readonly identity: string;
}

/** @throws ENDPOINT_UNSUPPORTED; what kept every record from being written */
export async function writeStream(
  client: HttpClient,
  stream: HttpStream,
  request: WriteRequest,
  rows: readonly Row[],
  endpoint: string,
): Promise<WriteResult[]> {
  const declared = stream.writes?.[request.mode];
  if (declared === undefined) throw new SluiceError('ENDPOINT_UNSUPPORTED', `${stream.name} cannot ${request.mode}`);
  return new Writing(client, stream, request, endpoint).run(declared, rows);
}

class Writing {
  readonly #client: HttpClient;
  readonly #stream: HttpStream;
  readonly #mode: WriteMode;
  readonly #keys: readonly string[];
  readonly #rows: Rows;
  readonly #endpoint: string;
  readonly #deadlineMs = processMs() + PATIENCE_MS;
  readonly #results: WriteResult[] = [];
  readonly #occurrences = new Map<string, number>();
  /** What keeps the rest from being written. */
  #obstacle: SluiceError | undefined;

  constructor(client: HttpClient, stream: HttpStream, { mode, keys }: WriteRequest, endpoint: string) {
    this.#client = client;
    this.#stream = stream;
    this.#mode = mode;
    this.#keys = keys.length > 0 ? keys : stream.primaryKey;
    this.#rows = new Rows(stream);
    this.#endpoint = endpoint;
  }

  async run(declared: Declared, rows: readonly Row[]): Promise<WriteResult[]> {
    const records = rows.map((row, place) => this.#numbered(row, place));
    if ('batch' in declared) await this.#writeBatches(declared, records);
    else await this.#writeEach(declared, records);
    if (this.#obstacle !== undefined && !this.#results.some(({ ok }) => ok)) throw this.#obstacle;
    const reason = this.#obstacle?.message ?? '';
    return records.map(({ place }) => this.#results[place] ?? refusal(reason, true));
  }

  #numbered(row: Row, place: number): Numbered {
    const record = this.#rows.toRecord(row);
    const entries = Object.entries(record);
    const keys = Object.fromEntries(entries.filter(([name]) => this.#keys.includes(name)));
    const rest = Object.fromEntries(entries.filter(([name]) => !this.#keys.includes(name)));
    const identity = Object.keys(keys).length === 0 ? `#${place}` : stringifyExact(keys);
    return { record, keys, rest, place, identity };
  }

  /** Each lane is one key's records, in order. */
  async #writeEach(declared: HttpWrite | HttpUpsert, records: readonly Numbered[]): Promise<void> {
    const ordered = 'ordered' in declared && declared.ordered === true;
    const lanes = new Map<string, Numbered[]>();
    for (const record of records) {
      const name = ordered ? '' : record.identity;
      lanes.set(name, [...(lanes.get(name) ?? []), record]);
    }
    const waiting = [...lanes.values()];
    const work = async () => {
      for (let lane = waiting.shift(); lane !== undefined; lane = waiting.shift()) {
        for (const record of lane) if (this.#obstacle === undefined) await this.#writeOne(declared, record);
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, waiting.length) }, work));
  }

  async #writeOne(declared: HttpWrite | HttpUpsert, record: Numbered): Promise<void> {
    try {
      this.#results[record.place] =
        'upsert' in declared ? await this.#upsert(declared, record) : await this.#send(declared, this.#mode, record);
    } catch (error) {
      this.#results[record.place] = this.#failed(error);
    }
  }

  async #send(declared: HttpWrite, mode: WriteMode, record: Numbered): Promise<WriteResult> {
    const told = await this.#ask(this.#identified(declared.request(record), declared, mode, [record]), record.record);
    if (told.verdict !== 'missing') return told.verdict === 'reject' ? refusal(told.reason, false) : DONE;
    const done = (declared.missing ?? (mode === 'delete' ? 'done' : 'reject')) === 'done';
    return done ? DONE : refusal(`there is no record with this key: ${told.reason}`, false);
  }

  /** @throws ENDPOINT_UNSUPPORTED where a part is missing */
  async #upsert(declared: HttpUpsert, record: Numbered): Promise<WriteResult> {
    const { update, insert } = this.#stream.writes ?? {};
    if (update === undefined || insert === undefined || !('request' in update) || !('request' in insert)) {
      throw new SluiceError('ENDPOINT_UNSUPPORTED', `${this.#stream.name} needs insert and update for upsert`);
    }
    if (declared.upsert === 'update or insert') {
      const told = await this.#ask(this.#identified(update.request(record), update, 'update', [record]), record.record);
      if (told.verdict === 'missing') return this.#send(insert, 'insert', record);
      return told.verdict === 'reject' ? refusal(told.reason, false) : DONE;
    }
    const answer = await this.#client.ask(declared.find(record), {
      values: record.record,
      deadlineMs: this.#deadlineMs,
      tolerates: ['missing', 'reject'],
    });
    if (answer.verdict === 'reject') return refusal(answer.reason, false);
    const found = answer.verdict === 'missing' ? undefined : declared.found(answer, record);
    if (found === undefined) return this.#send(insert, 'insert', record);
    const known = { ...record, keys: { ...record.keys, ...found }, record: { ...record.record, ...found } };
    return this.#send(update, 'update', known);
  }

  /** No batch holds a key twice: what the second did would not be certain. */
  async #writeBatches(declared: HttpBatch, records: readonly Numbered[]): Promise<void> {
    for (let from = 0; from < records.length && this.#obstacle === undefined; ) {
      const held = new Set<string>();
      let to = from;
      for (; to < records.length && to - from < declared.max; to++) {
        const { identity } = records[to] as Numbered;
        if (held.has(identity)) break;
        held.add(identity);
      }
      await this.#writeBatch(declared, records.slice(from, to));
      from = to;
    }
  }

  async #writeBatch(declared: HttpBatch, records: readonly Numbered[]): Promise<void> {
    try {
      const request = this.#identified(declared.batch(records), declared, this.#mode, records);
      const told = await this.#ask(request, {});
      const refused = told.verdict === 'reject' || told.verdict === 'missing';
      if (refused && records.length > 1) {
        const middle = records.length >> 1;
        await this.#writeBatch(declared, records.slice(0, middle));
        if (this.#obstacle === undefined) await this.#writeBatch(declared, records.slice(middle));
        return;
      }
      const results = refused ? [told.reason] : declared.results(told, records);
      records.forEach(({ place }, i) => {
        this.#results[place] = resultOf(results[i]);
      });
    } catch (error) {
      const failed = this.#failed(error);
      for (const { place } of records) this.#results[place] = failed;
    }
  }

  #ask(request: HttpRequest, values: JsonObject) {
    const tolerates: AskOptions['tolerates'] = ['missing', 'reject'];
    return this.#client.ask(request, { values, deadlineMs: this.#deadlineMs, tolerates });
  }

  /** With a key that the same records have again when they are written again. */
  #identified(
    request: HttpRequest,
    { idempotencyHeader }: Pick<HttpWrite, 'idempotencyHeader'>,
    mode: WriteMode,
    records: readonly Numbered[],
  ): HttpRequest {
    if (idempotencyHeader === undefined) return request;
    const what = [this.#endpoint, this.#stream.name, mode, records.map(({ record }) => record)];
    const name = stringifyExact(what);
    const occurrence = this.#occurrences.get(name) ?? 0;
    this.#occurrences.set(name, occurrence + 1);
    const key = idempotencyKey(...what, occurrence);
    return { ...request, repeatable: true, headers: { ...request.headers, [idempotencyHeader]: key } };
  }

  #failed(error: unknown): WriteResult {
    if (error instanceof Unknown) return refusal(error.message, false);
    const coded = error instanceof SluiceError ? error : new SluiceError('ENDPOINT_FAILED', String(error));
    if (coded.code === 'RECORD_REJECTED') return refusal(coded.message, false);
    this.#obstacle ??= coded;
    return refusal(coded.message, coded.retryable);
  }
}

function resultOf(given: true | string | { readonly retryable: string } | undefined): WriteResult {
  if (given === true) return DONE;
  if (given === undefined) return refusal('the system did not say what became of it', false);
  return typeof given === 'string' ? refusal(given, false) : refusal(given.retryable, true);
}

function refusal(reason: string, retryable: boolean): WriteResult {
  return { ok: false, code: 'RECORD_REJECTED', reason, retryable };
}
