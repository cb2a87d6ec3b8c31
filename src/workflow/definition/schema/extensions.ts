/** The schema of what Sluice adds to the standard. */
import {
  ANY,
  exactlyOne,
  type Fields,
  FLAG,
  list,
  MAP,
  mapOf,
  namedList,
  object,
  oneOf,
  ref,
  TEXT,
  textOr,
  WHOLE,
} from './shapes.ts';

const DUE = object(
  { after: ref('duration'), at: TEXT, businessHours: textOr(ref('businessHours')) },
  [],
  exactlyOne('after', 'at'),
);

const ESCALATION = object(
  {
    after: ref('duration'),
    overdue: ref('duration'),
    to: object({ users: textOr(list(TEXT)), groups: textOr(list(TEXT)), assignee: TEXT, replace: FLAG }),
    priority: WHOLE,
    do: ref('taskList'),
    outcome: TEXT,
  },
  [],
  exactlyOne('after', 'overdue'),
);

export const EXTENSIONS: Fields = {
  businessHours: object(
    {
      timezone: TEXT,
      week: {
        type: 'object',
        propertyNames: { enum: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] },
        additionalProperties: list({
          type: 'string',
          pattern: '^([01]\\d|2[0-3]):[0-5]\\d-([01]\\d|2[0-4]):[0-5]\\d$',
        }),
        minProperties: 1,
      },
      holidays: list({ type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}$' }),
    },
    ['timezone', 'week'],
  ),
  human: object(
    {
      title: TEXT,
      description: TEXT,
      assignee: TEXT,
      candidates: ref('people'),
      excluded: textOr(list(TEXT)),
      priority: textOr({ type: 'integer', minimum: 0, maximum: 100 }),
      data: ANY,
      form: ref('schema'),
      outcomes: namedList(object({ title: TEXT, reason: oneOf('required', 'optional') }), { minItems: 1 }),
      due: DUE,
      followUp: DUE,
      reminders: list(
        object(
          { before: ref('duration'), after: ref('duration'), every: ref('duration') },
          [],
          exactlyOne('before', 'after'),
        ),
      ),
      escalate: list(ESCALATION),
      approvals: object(
        {
          any: { const: true },
          all: textOr(list(TEXT, { minItems: 1 })),
          count: { type: 'integer', minimum: 1 },
          requester: TEXT,
          outcome: TEXT,
        },
        [],
        exactlyOne('any', 'all', 'count'),
      ),
      notify: list(
        object(
          {
            endpoint: TEXT,
            stream: TEXT,
            on: list(oneOf('created', 'reminded', 'escalated', 'completed')),
            record: MAP,
          },
          ['endpoint', 'record'],
        ),
      ),
    },
    ['title'],
  ),
  connector: object(
    {
      endpoint: TEXT,
      read: object({ stream: TEXT, limit: WHOLE, filter: TEXT }, ['stream']),
      lookup: object({ stream: TEXT, key: ANY }, ['stream', 'key']),
      write: object(
        {
          stream: TEXT,
          mode: oneOf('insert', 'update', 'upsert', 'delete', 'append'),
          keys: list(TEXT),
          records: ANY,
        },
        ['stream', 'mode', 'records'],
      ),
    },
    ['endpoint'],
    exactlyOne('read', 'lookup', 'write'),
  ),
  sync: object({ job: TEXT, mode: oneOf('full', 'incremental'), await: FLAG }, ['job']),
  compensate: {
    if: { type: 'string' },
    then: { const: 'all' },
    else: object({ tasks: list(TEXT, { minItems: 1 }) }, ['tasks']),
  },
  compensation: object({ on: list(oneOf('fault', 'cancel')) }),
  trigger: object(
    {
      webhook: object({ signature: object({ secret: TEXT, header: TEXT }, ['secret']) }),
      topic: object({ name: TEXT }, ['name']),
      change: object({ job: TEXT, stream: TEXT, operations: list(oneOf('insert', 'update', 'delete')) }, ['job']),
      workflow: object({ name: TEXT, status: list(oneOf('completed', 'faulted', 'cancelled')) }, ['name']),
      route: object({ name: TEXT }, ['name']),
      when: TEXT,
      input: textOr(MAP),
      idempotencyKey: TEXT,
    },
    [],
    exactlyOne('webhook', 'topic', 'change', 'workflow', 'route'),
  ),
  triggers: namedList(ref('trigger')),
  secretNames: list(TEXT),
  retries: mapOf(ref('retryPolicy')),
};
