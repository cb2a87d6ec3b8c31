/**
 * Every error Sluice can answer with, in one table: its stable code, the HTTP status it maps to,
 * whether trying again can help, and one sentence for people. README's error table and the problem+json
 * answers are made from it; a test holds the two together.
 *
 * Programmer errors are not here: they assert. An operating error is thrown as a `SluiceError`.
 */

interface ErrorKind {
  readonly status: number;
  readonly retryable: boolean;
  readonly title: string;
}

function kind(status: number, retryable: boolean, title: string): ErrorKind {
  return { status, retryable, title };
}

export const ERROR_TABLE = {
  // Requests
  REQUEST_MALFORMED: kind(400, false, 'The request cannot be parsed'),
  REQUEST_INVALID: kind(400, false, 'The request is well formed but a field is missing or wrong'),
  REQUEST_SMUGGLING: kind(400, false, 'The request framing is ambiguous'),
  REQUEST_TOO_LARGE: kind(413, false, 'The request body is larger than allowed'),
  REQUEST_TIMEOUT: kind(408, true, 'The request did not end in time'),
  ROUTE_UNKNOWN: kind(404, false, 'There is nothing at this path'),
  METHOD_NOT_ALLOWED: kind(405, false, 'This path does not take that method'),
  MEDIA_TYPE_UNSUPPORTED: kind(415, false, 'The content type is not one this path reads'),
  NOT_ACCEPTABLE: kind(406, false, 'None of the accepted content types can be produced here'),
  // Who may
  UNAUTHENTICATED: kind(401, false, 'A valid API key is needed'),
  FORBIDDEN: kind(403, false, 'The API key does not have the scope this needs'),
  // Records and batches
  BATCH_MALFORMED: kind(400, false, 'The record batch is not well formed'),
  BATCH_CRC_MISMATCH: kind(400, false, 'The record batch does not match its checksum'),
  BATCH_UNSUPPORTED: kind(400, false, 'The record batch uses a feature that is not supported'),
  BATCH_TOO_LARGE: kind(413, false, 'The record batch is larger than allowed'),
  RECORD_TOO_LARGE: kind(413, false, 'A record is larger than allowed'),
  TOO_MANY_RECORDS: kind(413, false, 'There are more records than allowed in one request'),
  BATCH_QUARANTINED: kind(500, false, 'A stored batch is damaged and is not served'),
  // Topics, partitions, offsets
  TOPIC_UNKNOWN: kind(404, false, 'There is no topic of that name'),
  TOPIC_EXISTS: kind(409, false, 'A topic of that name exists'),
  TOPIC_INVALID: kind(400, false, 'The topic name or its settings are not valid'),
  PARTITION_UNKNOWN: kind(404, false, 'The topic has no such partition'),
  OFFSET_OUT_OF_RANGE: kind(416, false, 'The offset is beyond the end of the partition'),
  OFFSET_TRIMMED: kind(410, false, 'The offset is older than what is kept'),
  OFFSET_CONFLICT: kind(412, false, 'The partition does not end at the expected offset'),
  // Idempotent producers
  PRODUCER_FENCED: kind(403, false, 'A newer epoch of this producer exists'),
  SEQUENCE_GAP: kind(409, false, 'The sequence number leaves a gap'),
  // Groups and subscriptions
  GROUP_UNKNOWN: kind(404, false, 'There is no consumer group of that name'),
  GROUP_BUSY: kind(409, true, 'The group has members; stop them first'),
  GROUP_MODE_CONFLICT: kind(409, false, 'The group is used in the other mode, stream or queue'),
  MEMBER_FENCED: kind(409, true, 'The partition, or the record, is no longer with this member'),
  SUBSCRIPTION_UNKNOWN: kind(404, false, 'There is no such subscription on this connection'),
  SUBSCRIPTION_EXISTS: kind(409, false, 'A subscription of that id exists on this connection'),
  // Dead letters
  DEAD_LETTER_UNKNOWN: kind(404, false, 'There is no dead letter at this offset, or it is done'),
  // Resources
  KIND_UNKNOWN: kind(404, false, 'There is no such kind of resource'),
  RESOURCE_UNKNOWN: kind(404, false, 'There is no resource of that name'),
  RESOURCE_INVALID: kind(400, false, 'The resource does not match its schema'),
  VERSION_CONFLICT: kind(412, false, 'The resource has changed since the version named'),
  RESOURCE_IN_USE: kind(409, false, 'Another resource stands on this one'),
  // The gateway
  EXPECTATION_FAILED: kind(417, false, 'The expectation of the request cannot be met'),
  UPGRADE_REFUSED: kind(426, false, 'The path takes WebSockets only, or takes none'),
  UPSTREAM_UNREACHABLE: kind(502, true, 'The upstream could not be reached, or broke off'),
  UPSTREAM_ANSWER_INVALID: kind(502, false, 'The upstream gave an answer that must not be passed on'),
  UPSTREAM_UNAVAILABLE: kind(503, true, 'No target of the upstream is well'),
  UPSTREAM_BUSY: kind(503, true, 'The upstream has as many requests under way as it may'),
  GATEWAY_FULL: kind(503, true, 'The gateway holds as much of other requests as it may'),
  UPSTREAM_TIMEOUT: kind(504, true, 'The upstream did not answer in time'),
  GATEWAY_LOOP: kind(508, false, 'The request has passed this gateway before'),
  // Versions of an API at the gateway
  API_VERSION_UNKNOWN: kind(400, false, 'The API has no such version'),
  API_VERSION_GONE: kind(410, false, 'This version of the API has ended'),
  API_VERSION_PAUSED: kind(503, true, 'This version of the API is switched off for a while, ahead of its end'),
  API_REQUEST_UNFIT: kind(422, false, 'The request cannot be brought to the newest version of the API'),
  API_ANSWER_UNFIT: kind(502, false, "The answer cannot be brought to the caller's version of the API"),
  API_BREAKS_CALLERS: kind(409, false, 'The change would break callers of a version of the API'),
  // Transformations
  TRANSFORM_INVALID: kind(400, false, 'A transformation is not declared as it must be'),
  TRANSFORM_FAILED: kind(422, false, 'A transformation cannot be applied to this record'),
  // Schemas
  SCHEMA_UNKNOWN: kind(404, false, 'There is no such schema, or no such version of it'),
  SCHEMA_INVALID: kind(422, false, 'The schema itself is not valid'),
  SCHEMA_INCOMPATIBLE: kind(409, false, 'The schema is not compatible with an earlier version'),
  SCHEMA_IN_USE: kind(409, false, 'A topic or another schema refers to this schema'),
  SCHEMA_MISMATCH: kind(422, false, 'A record does not fit the schema of its topic'),
  // Streams of the Durable Streams protocol
  STREAM_UNKNOWN: kind(404, false, 'There is no stream at this path'),
  STREAM_GONE: kind(410, false, 'The stream was deleted and is kept for its forks only'),
  STREAM_CONFLICT: kind(409, false, 'The stream exists with other settings, or is closed'),
  // Processors
  PROCESSOR_INVALID: kind(400, false, 'The definition of a processor is not valid'),
  PROCESSOR_FAILED: kind(500, false, 'The code of a processor failed on a record'),
  PROCESSOR_TIMEOUT: kind(504, false, 'A processor took too long over a record'),
  PROCESSOR_MEMORY: kind(507, false, 'A processor took too much memory'),
  PROCESSOR_CRASHED: kind(500, false, 'The worker thread of a processor ended'),
  VALUE_MALFORMED: kind(422, false, 'A key or value is not in the format its topic was declared with'),
  STATE_FULL: kind(507, false, 'The state or a table of a processor is larger than allowed'),
  // Connectors and endpoints
  CONNECTOR_UNKNOWN: kind(404, false, 'There is no connector of that name'),
  CONNECTOR_INVALID: kind(422, false, 'The connector does not meet the contract'),
  CONNECTOR_FAILED: kind(502, true, 'The thread of a connector ended'),
  CONNECTOR_TIMEOUT: kind(504, true, 'A connector took longer than it may'),
  ENDPOINT_INVALID: kind(400, false, 'The configuration is not one that the connector takes'),
  ENDPOINT_DISABLED: kind(409, false, 'The endpoint is declared as not enabled'),
  ENDPOINT_REFUSED: kind(502, false, 'The system refused the credentials, or what they may'),
  ENDPOINT_UNREACHABLE: kind(502, true, 'The system could not be reached'),
  ENDPOINT_RATE_LIMITED: kind(503, true, 'The system takes no more at the moment'),
  ENDPOINT_FAILED: kind(502, false, 'The system answered with an error'),
  ENDPOINT_UNSUPPORTED: kind(422, false, 'The connector, or this stream of it, cannot do that'),
  ENDPOINT_STREAM_UNKNOWN: kind(404, false, 'The endpoint has no stream of that name'),
  ENDPOINT_CHANGES_LOST: kind(410, false, 'The system no longer has the changes since this state: begin without one'),
  RECORD_REJECTED: kind(422, false, 'The record cannot be written there'),
  SYNC_FIELD_UNKNOWN: kind(409, true, 'A record has a field that the target of its sync job has no place for'),
  SYNC_REJECTS_EXCEEDED: kind(409, false, 'More records of a sync job were rejected than it tolerates'),
  SYNC_RUN_UNDER_WAY: kind(409, true, 'The sync job has a run under way'),
  SYNC_JOB_STOPPED: kind(409, false, 'The sync job is paused, or has stopped and must be resumed'),
  SECRET_UNKNOWN: kind(400, false, 'There is no secret of that name'),
  SECRET_UNREADABLE: kind(500, false, 'A secret was encrypted with another key'),
  // The gateway's policies
  ACCESS_DENIED: kind(403, false, 'What the caller is does not allow this request'),
  RATE_LIMITED: kind(429, true, 'More requests than the rate limit allows'),
  QUOTA_EXCEEDED: kind(429, true, 'The requests of the plan are used for this period'),
  TOKEN_MISSING: kind(401, false, 'A bearer token is needed'),
  TOKEN_MALFORMED: kind(401, false, 'The bearer token is not a signed JWT that is read here'),
  TOKEN_ISSUER_UNKNOWN: kind(401, false, 'The issuer of the token is not trusted here'),
  TOKEN_ALGORITHM_DENIED: kind(401, false, 'The algorithm of the token is not allowed'),
  TOKEN_KEY_UNKNOWN: kind(401, false, 'The issuer has no such key'),
  TOKEN_SIGNATURE_WRONG: kind(401, false, 'The signature of the token does not hold'),
  TOKEN_TYPE_REFUSED: kind(401, false, 'The token is not of the type that is taken here'),
  TOKEN_AUDIENCE_REFUSED: kind(401, false, 'The token is meant for another audience'),
  TOKEN_EXPIRED: kind(401, false, 'The token has expired'),
  TOKEN_NOT_YET_VALID: kind(401, false, 'The token is not valid yet'),
  TOKEN_CLAIM_INVALID: kind(401, false, 'A claim of the token is missing or has a wrong form'),
  TOKEN_REVOKED: kind(401, false, 'The token was revoked, or its client is gone or disabled'),
  TOKEN_INACTIVE: kind(401, false, 'The authorization server says that the token is not active'),
  INTROSPECTION_FAILED: kind(503, true, 'The authorization server cannot be asked about the token'),
  TOKEN_KEYS_UNAVAILABLE: kind(503, true, "The issuer's keys cannot be fetched"),
  CERTIFICATE_MISSING: kind(401, false, 'A TLS certificate of the client is needed'),
  CERTIFICATE_UNKNOWN: kind(401, false, 'The TLS certificate is not one of a client that is known here'),
  LOGIN_REQUIRED: kind(401, false, 'A login is needed, which a browser is led to when it opens a page'),
  LOGIN_FAILED: kind(400, false, 'The login did not come to its end; begin again'),
  LOGIN_UNAVAILABLE: kind(503, true, 'The login provider cannot be reached'),
  SIGNATURE_MISSING: kind(401, false, 'The request is not signed as it must be'),
  SIGNATURE_INVALID: kind(401, false, 'The signature of the request does not hold'),
  SIGNATURE_EXPIRED: kind(401, false, 'The request was signed too long ago, or in the future'),
  SIGNATURE_REPLAYED: kind(409, false, 'The signed request was received before'),
  ADDRESS_DENIED: kind(403, false, 'Requests from this address are not taken'),
  ORIGIN_DENIED: kind(403, false, 'Requests from this origin are not taken'),
  HEADERS_TOO_LARGE: kind(431, false, 'The header fields are larger than allowed'),
  PATH_TOO_LONG: kind(414, false, 'The path and query are longer than allowed'),
  BODY_TOO_COMPLEX: kind(422, false, 'The body is deeper or has more parts than allowed'),
  XML_ENTITY_REFUSED: kind(422, false, 'The XML declares a document type or entities'),
  REQUEST_SUSPICIOUS: kind(403, false, 'The request looks like an attack'),
  OPERATION_UNKNOWN: kind(404, false, 'The API has no operation at this path'),
  REQUEST_MISMATCH: kind(400, false, 'The request does not fit the description of the API'),
  RESPONSE_MISMATCH: kind(502, false, 'The answer of the upstream is not as the API is described'),
  // What the gateway keeps in the log
  QUEUED_UNKNOWN: kind(404, false, 'There is no such queued request, or it is forgotten'),
  IDEMPOTENCY_KEY_MISSING: kind(400, false, 'The request needs an Idempotency-Key'),
  IDEMPOTENCY_KEY_INVALID: kind(400, false, 'The Idempotency-Key is not one'),
  IDEMPOTENCY_KEY_REUSED: kind(422, false, 'The Idempotency-Key was used for another request'),
  IDEMPOTENCY_UNDER_WAY: kind(409, true, 'The request with this Idempotency-Key is under way'),
  IDEMPOTENCY_UNANSWERED: kind(409, false, 'The request was sent before, and its answer is not known'),
  QUEUE_FULL: kind(503, true, 'The queue of the route holds as many requests as it may'),
  // Workflows
  WORKFLOW_INVALID: kind(400, false, 'The definition of a workflow is not valid'),
  WORKFLOW_INPUT_INVALID: kind(422, false, 'A run of the workflow cannot begin with this input'),
  WORKFLOW_BUSY: kind(429, true, 'As many runs are open or beginning as may be'),
  EXECUTION_UNKNOWN: kind(404, false, 'There is no such run of a workflow, or none that is open'),
  EXECUTION_CONFLICT: kind(409, false, 'The run is not in a state for this'),
  // The store and the process
  LIMIT_EXCEEDED: kind(429, true, 'A limit of this server is reached'),
  LOG_BUSY: kind(429, true, 'Too much is waiting to be written; slow down'),
  CREDIT_EXCEEDED: kind(429, true, 'The connection sent more than its credit'),
  DISK_FULL: kind(507, true, 'The disk is full; nothing more is accepted until there is space'),
  STORE_FAILED: kind(500, true, 'The store could not write'),
  STORE_CORRUPT: kind(500, false, 'The store is damaged'),
  STORE_NEWER: kind(500, false, 'The store was written by a newer version'),
  STORE_LOCKED: kind(500, false, 'Another process has the store open'),
  CONFIG_INVALID: kind(400, false, 'The configuration is not valid'),
  NOT_READY: kind(503, true, 'The server is not ready'),
  SHUTTING_DOWN: kind(503, true, 'The server is shutting down'),
  CONNECTION_LOST: kind(503, true, 'The connection to the server was lost'),
  TIMEOUT: kind(504, true, 'The operation did not finish in time'),
  INTERNAL: kind(500, true, 'An unexpected error'),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERROR_TABLE;

type Detail = string | number | boolean | null;

/** Further facts for the caller, e.g. `{ offset: 41 }`; they become members of the problem document. */
export type ErrorDetails = Readonly<Record<string, Detail | readonly Readonly<Record<string, Detail>>[]>>;

export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  code: ErrorCode;
  detail: string;
  retryable: boolean;
  [member: string]: unknown;
}

export class SluiceError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message?: string, details: ErrorDetails = {}, cause?: unknown) {
    super(message ?? ERROR_TABLE[code].title, cause === undefined ? undefined : { cause });
    this.name = 'SluiceError';
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return ERROR_TABLE[this.code].status;
  }

  get retryable(): boolean {
    return ERROR_TABLE[this.code].retryable;
  }
}

/** The error as a `SluiceError`: unchanged if it is one, else `INTERNAL` with it as the cause. */
export function asSluiceError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  return new SluiceError('INTERNAL', error instanceof Error ? error.message : String(error), {}, error);
}

/** The error as an RFC 9457 problem document. An `INTERNAL` one does not tell its message. */
export function toProblem(error: SluiceError): ProblemDocument {
  const { status, retryable, title } = ERROR_TABLE[error.code];
  return {
    type: `urn:sluice:error:${error.code}`,
    title,
    status,
    code: error.code,
    detail: error.code === 'INTERNAL' ? title : error.message,
    retryable,
    ...error.details,
  };
}

/** Stops on a programmer's error: what `condition` says must hold whatever users and disks do. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
