/** The schema of what tasks share: durations, errors, retries, events, authentication, people. */
import {
  ANY,
  exactlyOne,
  type Fields,
  FLAG,
  list,
  MAP,
  mapOf,
  object,
  oneKey,
  oneOf,
  ref,
  TEXT,
  textOr,
  WHOLE,
} from './shapes.ts';

const secretOr = (fields: Fields, required: readonly string[]) => ({
  if: { required: ['use'] },
  then: object({ use: { type: 'string', minLength: 1 } }),
  else: object(fields, required),
});

const OAUTH2 = {
  authority: TEXT,
  grant: oneOf(
    'authorization_code',
    'client_credentials',
    'password',
    'refresh_token',
    'urn:ietf:params:oauth:grant-type:token-exchange',
  ),
  client: object({
    id: TEXT,
    secret: TEXT,
    assertion: TEXT,
    authentication: oneOf('client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'none'),
  }),
  request: object({ encoding: oneOf('application/x-www-form-urlencoded', 'application/json') }),
  issuers: list(TEXT),
  scopes: list(TEXT),
  audiences: list(TEXT),
  username: TEXT,
  password: TEXT,
  subject: ref('oauth2Token'),
  actor: ref('oauth2Token'),
};
const USER = { username: TEXT, password: TEXT };

const ISO_DURATION =
  '^P(?!$)(\\d+(?:\\.\\d+)?Y)?(\\d+(?:\\.\\d+)?M)?(\\d+(?:\\.\\d+)?W)?(\\d+(?:\\.\\d+)?D)?(T(?=\\d)(\\d+(?:\\.\\d+)?H)?(\\d+(?:\\.\\d+)?M)?(\\d+(?:\\.\\d+)?S)?)?$';
const EXPRESSION = '^\\s*\\$\\{[\\s\\S]*\\}\\s*$';

const EVENT = {
  id: TEXT,
  source: TEXT,
  type: TEXT,
  time: TEXT,
  subject: TEXT,
  datacontenttype: TEXT,
  dataschema: TEXT,
  data: ANY,
};

export const PARTS: Fields = {
  duration: {
    if: { type: 'string' },
    then: { pattern: `(?:${ISO_DURATION})|(?:${EXPRESSION})` },
    else: object({ days: WHOLE, hours: WHOLE, minutes: WHOLE, seconds: WHOLE, milliseconds: WHOLE }, [], {
      minProperties: 1,
    }),
  },
  timeout: textOr(object({ after: ref('duration') }, ['after'])),
  endpoint: textOr(object({ uri: TEXT, authentication: ref('authenticationReference') }, ['uri'])),
  externalResource: object({ name: TEXT, endpoint: ref('endpoint') }, ['endpoint']),
  schema: object(
    { format: TEXT, document: ANY, resource: ref('externalResource') },
    [],
    exactlyOne('document', 'resource'),
  ),
  input: object({ schema: ref('schema'), from: textOr(MAP) }),
  output: object({ schema: ref('schema'), as: textOr(MAP) }),
  error: object({ type: TEXT, status: { type: 'integer' }, title: TEXT, detail: TEXT, instance: TEXT }, [
    'type',
    'status',
  ]),
  errorFilter: object(
    { type: TEXT, status: { type: 'integer' }, instance: TEXT, title: TEXT, detail: TEXT, details: TEXT },
    [],
    { minProperties: 1 },
  ),
  retryPolicy: object({
    when: TEXT,
    exceptWhen: TEXT,
    delay: ref('duration'),
    backoff: oneKey({
      constant: MAP,
      linear: { type: 'object', properties: { increment: ref('duration') } },
      exponential: {
        type: 'object',
        properties: { factor: { type: 'number', exclusiveMinimum: 0 }, maxDelay: ref('duration') },
      },
    }),
    limit: object({ attempt: object({ count: WHOLE, duration: ref('duration') }), duration: ref('duration') }),
    jitter: object({ from: ref('duration'), to: ref('duration') }, ['from', 'to']),
  }),
  event: { type: 'object', properties: EVENT },
  eventFilter: object(
    {
      with: { type: 'object', properties: EVENT, minProperties: 1 },
      correlate: mapOf(object({ from: TEXT, expect: TEXT }, ['from'])),
    },
    ['with'],
  ),
  eventConsumption: {
    ...object({
      all: list(ref('eventFilter')),
      any: list(ref('eventFilter')),
      one: ref('eventFilter'),
      until: textOr({ allOf: [ref('eventConsumption'), { not: { required: ['until'] } }] }),
    }),
    ...exactlyOne('all', 'any', 'one'),
    dependentRequired: { until: ['any'] },
  },
  subscriptionIterator: object({
    item: TEXT,
    at: TEXT,
    do: ref('taskList'),
    output: ref('output'),
    export: ref('output'),
  }),
  authenticationReference: {
    if: { required: ['use'] },
    then: object({ use: { type: 'string', minLength: 1 } }),
    else: ref('authentication'),
  },
  authentication: oneKey({
    basic: secretOr(USER, ['username', 'password']),
    digest: secretOr(USER, ['username', 'password']),
    bearer: secretOr({ token: TEXT }, ['token']),
    oauth2: secretOr({ ...OAUTH2, endpoints: object({ token: TEXT, revocation: TEXT, introspection: TEXT }) }, []),
    oidc: secretOr(OAUTH2, []),
  }),
  oauth2Token: object({ token: TEXT, type: TEXT }, ['token', 'type']),
  people: object({ users: textOr(list(TEXT)), groups: textOr(list(TEXT)) }),
  flag: FLAG,
};
