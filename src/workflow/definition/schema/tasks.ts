/** The schema of tasks: a kind is told by its key, and then every field must be one that this kind has. */
import { TASK_KINDS, type TaskKind } from '../kinds.ts';
import { EXTENSIONS } from './extensions.ts';
import {
  ANY,
  byKey,
  exactlyOne,
  type Fields,
  FLAG,
  list,
  MAP,
  mapOf,
  NAME_TEXT,
  namedList,
  object,
  oneOf,
  ref,
  type Schema,
  TEXT,
  textOr,
  WHOLE,
} from './shapes.ts';

const BASE: Fields = {
  if: TEXT,
  input: ref('input'),
  output: ref('output'),
  export: ref('output'),
  timeout: ref('timeout'),
  then: TEXT,
  metadata: MAP,
  undo: ref('taskList'),
};

function task(fields: Fields, required: readonly string[]): Schema {
  return object({ ...BASE, ...fields }, required);
}

const OUTPUT = oneOf('raw', 'content', 'response');
const TEXTS: Schema = textOr(MAP);
const PROCESS = { stdin: TEXT, arguments: { type: ['array', 'object'] }, environment: MAP };

const CALLS: Readonly<Record<string, Schema>> = {
  http: object(
    {
      method: TEXT,
      endpoint: ref('endpoint'),
      headers: TEXTS,
      body: ANY,
      query: TEXTS,
      output: OUTPUT,
      redirect: FLAG,
    },
    ['method', 'endpoint'],
  ),
  openapi: object(
    {
      document: ref('externalResource'),
      operationId: TEXT,
      parameters: MAP,
      authentication: ref('authenticationReference'),
      output: OUTPUT,
      redirect: FLAG,
    },
    ['document', 'operationId'],
  ),
  grpc: object(
    {
      proto: ref('externalResource'),
      service: object(
        {
          name: TEXT,
          host: TEXT,
          port: { type: 'integer', minimum: 0, maximum: 65_535 },
          authentication: ref('authenticationReference'),
        },
        ['name', 'host'],
      ),
      method: TEXT,
      arguments: MAP,
    },
    ['proto', 'service', 'method'],
  ),
  asyncapi: object(
    {
      document: ref('externalResource'),
      channel: TEXT,
      operation: TEXT,
      server: object({ name: TEXT, variables: MAP }, ['name']),
      protocol: TEXT,
      message: object({ payload: ANY, headers: ANY, correlationId: TEXT }),
      subscription: object({ filter: TEXT, consume: ref('consume'), foreach: ref('subscriptionIterator') }, [
        'consume',
      ]),
      authentication: ref('authenticationReference'),
    },
    ['document'],
    {
      allOf: [
        exactlyOne('message', 'subscription'),
        { anyOf: [{ required: ['operation'] }, { required: ['channel'] }] },
      ],
    },
  ),
  a2a: { type: 'object', required: ['method'] },
  mcp: { type: 'object', required: ['method', 'transport'] },
};

/** What stands in `with` follows from what is called. */
const WITH: Schema = Object.entries(CALLS).reduceRight<Schema>(
  (rest, [protocol, schema]) => ({
    if: { properties: { call: { const: protocol } } },
    then: { required: ['with'], properties: { with: schema } },
    else: rest,
  }),
  { properties: { with: MAP } },
);

const KINDS: Readonly<Record<TaskKind, Schema>> = {
  call: { ...task({ call: NAME_TEXT, with: ANY }, ['call']), ...WITH },
  do: task({ do: ref('taskList') }, ['do']),
  emit: task(
    {
      emit: object(
        {
          event: object({ with: { allOf: [ref('event'), { required: ['type'] }] } }, ['with']),
          topic: TEXT,
          key: TEXT,
        },
        ['event'],
      ),
    },
    ['emit'],
  ),
  for: task(
    {
      for: object(
        {
          each: TEXT,
          in: { type: ['string', 'array'] },
          at: TEXT,
          concurrency: WHOLE,
          tolerate: object({ count: WHOLE, percent: { type: 'number', minimum: 0, maximum: 100 } }, [], {
            minProperties: 1,
          }),
        },
        ['in'],
        { dependentRequired: { tolerate: ['concurrency'] } },
      ),
      while: TEXT,
      do: ref('taskList'),
    },
    ['for', 'do'],
  ),
  fork: task({ fork: object({ branches: ref('taskList'), compete: FLAG }, ['branches']) }, ['fork']),
  listen: task(
    {
      listen: object({ to: ref('eventConsumption'), read: oneOf('data', 'envelope', 'raw') }, ['to']),
      foreach: ref('subscriptionIterator'),
    },
    ['listen'],
  ),
  raise: task({ raise: object({ error: textOr(ref('error')) }, ['error']) }, ['raise']),
  run: task(
    {
      run: object(
        {
          await: FLAG,
          return: oneOf('stdout', 'stderr', 'code', 'all', 'none'),
          container: { type: 'object', required: ['image'] },
          script: object(
            { language: TEXT, version: TEXT, code: TEXT, source: ref('externalResource'), ...PROCESS },
            ['language'],
            {
              ...exactlyOne('code', 'source'),
            },
          ),
          shell: object({ command: TEXT, ...PROCESS }, ['command']),
          workflow: object({ namespace: TEXT, name: TEXT, version: TEXT, input: TEXTS }, [
            'namespace',
            'name',
            'version',
          ]),
        },
        [],
        exactlyOne('container', 'script', 'shell', 'workflow'),
      ),
    },
    ['run'],
  ),
  set: task({ set: textOr({ type: 'object', minProperties: 1 }) }, ['set']),
  switch: task({ switch: namedList(object({ when: TEXT, then: TEXT }, ['then']), { minItems: 1 }) }, ['switch']),
  try: task(
    {
      try: ref('taskList'),
      catch: object({
        errors: object({ with: ref('errorFilter') }),
        as: TEXT,
        when: TEXT,
        exceptWhen: TEXT,
        retry: textOr(ref('retryPolicy')),
        do: ref('taskList'),
        then: TEXT,
      }),
    },
    ['try', 'catch'],
  ),
  wait: task(
    { wait: { if: { type: 'object', required: ['until'] }, then: object({ until: TEXT }), else: ref('duration') } },
    ['wait'],
  ),
  human: task({ human: ref('human') }, ['human']),
  connector: task({ connector: ref('connector') }, ['connector']),
  sync: task({ sync: ref('sync') }, ['sync']),
  compensate: task({ compensate: ref('compensate') }, ['compensate']),
};

export const TASKS: Fields = {
  ...EXTENSIONS,
  taskList: namedList(ref('task')),
  task: { type: 'object', ...byKey(TASK_KINDS.map((kind) => [kind, KINDS[kind]])) },
  consume: object({ for: ref('duration'), amount: WHOLE, while: TEXT, until: TEXT }, [], {
    oneOf: [{ required: ['amount'] }, { required: ['while'] }, { required: ['until'] }],
  }),
  functions: mapOf(ref('task')),
  names: list(TEXT),
};
