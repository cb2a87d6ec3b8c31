/** The declared streams of connector `rest` as the runtime has them; types that are not declared come from a look at some records. */
import {
  type Answer,
  type Ask,
  at,
  type Fields,
  fieldsIn,
  type HttpBatch,
  type HttpRead,
  type HttpRequest,
  type HttpStream,
  type HttpWrite,
  type Outgoing,
  type ReadScope,
  withAt,
} from '#connector';
import type { RestConfig, StreamConfig, WriteConfig } from './spec.ts';

const DATE_CHARACTERS = 10;

export async function streamsOf(declared: RestConfig['streams'], ask: Ask): Promise<readonly HttpStream[]> {
  return Promise.all(Object.entries(declared).map(([name, stream]) => streamOf(name, stream, ask)));
}

async function streamOf(name: string, declared: StreamConfig, ask: Ask): Promise<HttpStream> {
  const { key, one, insert, update, upsert, delete: remove, append } = declared;
  const fields: Fields = { ...unknownOf(declared), ...(await sampled(declared, ask)), ...declared.fields };
  const given = { insert, update, upsert, delete: remove, append };
  const writes = Object.entries(given).flatMap(([mode, write]) =>
    write === undefined ? [] : [[mode, writeOf(write)]],
  );
  return {
    name,
    fields,
    primaryKey: key,
    read: readOf(declared),
    ...(one === undefined ? {} : { one: { request: { path: one.path }, record: one.record } }),
    writes: Object.fromEntries(writes) as NonNullable<HttpStream['writes']>,
  };
}

/** Of what is needed and may be shown by no record. */
function unknownOf({ key, incremental }: StreamConfig): Fields {
  const cursor =
    incremental === undefined ? [] : [[incremental.cursor, incremental.kind === 'datetime' ? 'timestamp' : 'int64']];
  return Object.fromEntries([...key.map((name) => [name, 'string']), ...cursor]) as Fields;
}

/** Of a stream whose path has no fields in it. Where that goes wrong nothing is known of its fields, and reads will say why. */
async function sampled(declared: StreamConfig, ask: Ask): Promise<Fields> {
  if (declared.path.includes('{') || declared.partitions !== undefined) return {};
  try {
    const { body } = await ask(requestOf(declared, { mode: 'full', partition: {} }));
    const records = at(body, declared.records);
    return fieldsIn(Array.isArray(records) ? records : []);
  } catch {
    return {};
  }
}

function readOf(declared: StreamConfig): HttpRead {
  const { records, paging, partitions, incremental } = declared;
  return {
    request: (scope) => requestOf(declared, scope),
    records,
    ...(paging === undefined ? {} : { paging: paging as NonNullable<HttpRead['paging']> }),
    ...(partitions === undefined ? {} : { partitions }),
    ...(incremental === undefined
      ? {}
      : {
          incremental: {
            cursor: incremental.cursor,
            kind: incremental.kind,
            ...(incremental.order === undefined ? {} : { order: incremental.order }),
            ...(incremental.start === undefined ? {} : { start: incremental.start }),
            ...(incremental.look_back_ms === undefined ? {} : { lookBack: incremental.look_back_ms }),
            ...(incremental.slice_ms === undefined ? {} : { slice: incremental.slice_ms }),
          },
        }),
  };
}

function requestOf({ path, method, query, body, decode, incremental }: StreamConfig, scope: ReadScope): HttpRequest {
  const bounds: Record<string, string | number> = {};
  if (scope.mode === 'incremental' && incremental !== undefined) {
    const { from, to, format } = incremental;
    Object.assign(bounds, incremental.query);
    if (from !== undefined && scope.from !== undefined) bounds[from] = formatted(scope.from, format);
    if (to !== undefined && scope.to !== undefined) bounds[to] = formatted(scope.to, format);
  }
  return {
    method,
    path,
    query: { ...query, ...bounds },
    ...(body === undefined ? {} : { json: body }),
    ...(decode === undefined ? {} : { decode }),
    repeatable: true,
  };
}

function formatted(
  value: string | number,
  format: NonNullable<StreamConfig['incremental']>['format'],
): string | number {
  if (format === 'date') return String(value).slice(0, DATE_CHARACTERS);
  if (format === 'epoch_ms') return Date.parse(String(value));
  return format === 'epoch_s' ? Math.floor(Date.parse(String(value)) / 1000) : value;
}

function writeOf(write: WriteConfig | 'update or insert'): NonNullable<NonNullable<HttpStream['writes']>['upsert']> {
  if (write === 'update or insert') return { upsert: write };
  const { idempotency_header, missing, batch } = write;
  const header = idempotency_header === undefined ? {} : { idempotencyHeader: idempotency_header };
  if (batch === undefined) {
    const request = (record: Outgoing) => sent(write, bodyOf(write, record));
    return { request, ...header, ...(missing === undefined ? {} : { missing }) } satisfies HttpWrite;
  }
  return {
    max: batch.max,
    batch: (records) =>
      sent(
        write,
        records.map((record) => bodyOf(write, record)),
      ),
    results: (answer, records) => resultsOf(batch, answer, records.length),
    ...header,
  } satisfies HttpBatch;
}

function bodyOf({ body }: WriteConfig, { record, rest, keys }: Outgoing): unknown {
  return body === 'none' ? undefined : body === 'all' ? record : body === 'rest' ? rest : keys;
}

function sent({ method, path, query, wrap, form }: WriteConfig, body: unknown): HttpRequest {
  const wrapped = wrap === undefined || body === undefined ? body : withAt({}, wrap, body);
  if (wrapped === undefined) return { method, path, query };
  return { method, path, query, ...(form ? { form: wrapped as NonNullable<HttpRequest['form']> } : { json: wrapped }) };
}

function resultsOf(
  { results, error }: NonNullable<WriteConfig['batch']>,
  { body }: Answer,
  count: number,
): (true | string)[] {
  const list = results === undefined ? undefined : at(body, results);
  if (!Array.isArray(list)) return Array.from({ length: count }, () => true as const);
  return list.map((result) => {
    const why = error === undefined ? undefined : at(result, error);
    return why === undefined || why === null || why === '' || why === false
      ? true
      : String(typeof why === 'object' ? JSON.stringify(why) : why);
  });
}
