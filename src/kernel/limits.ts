/**
 * Every limit of the engine in one place, units last. `resolveLimits` lays a caller's own over the
 * defaults and checks how they must relate, once, at start. Whoever holds a queue or reads a length
 * off the wire names the limit here that bounds it.
 */
import { assert } from './errors.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

export const DEFAULT_LIMITS = {
  /** One record batch, encoded. */
  batchBytesMax: 1 * MIB,
  /** One record: key, value and headers, encoded. */
  recordBytesMax: 1 * MIB - 128,
  /** The records of one compressed batch, decompressed. */
  decompressedBytesMax: 64 * MIB,
  /** Records in one batch or one produce request. */
  batchRecordsMax: 100_000,
  /** Headers of one record. */
  recordHeadersMax: 64,
  /** One HTTP request body. */
  requestBytesMax: 16 * MIB,
  /** Request bodies being received, all together; beyond it a request is refused with LIMIT_EXCEEDED. */
  bodyBytesPendingMax: 256 * MIB,
  /** Large answers that wait for their readers, all together; beyond it a read is refused with LIMIT_EXCEEDED. */
  answerBytesPendingMax: 256 * MIB,
  /** From the first byte of a request to its last. */
  requestMs: 30_000,
  /** One WebSocket message. */
  messageBytesMax: 2 * MIB,
  /** Accepted by the log and not yet on the disk; beyond it an append is refused with LOG_BUSY. */
  pendingBytesMax: 64 * MIB,
  /** Produce credit of one connection, in bytes not yet acknowledged. */
  connectionCreditBytes: 8 * MIB,
  /** Answer bytes waiting in one socket before the server stops reading for it. */
  socketBufferBytesMax: 1 * MIB,
  /** Records a subscription may have been sent and not yet permitted anew. */
  permitsMax: 10_000_000,
  subscriptionsPerConnectionMax: 1_000,
  connectionsMax: 20_000,
  /** Longest `wait_ms` of a long poll. */
  waitMsMax: 60_000,
  /** Bytes one read answers at most. */
  readBytesMax: 8 * MIB,
  /** The text of one schema. */
  schemaBytesMax: 128 * KIB,
  /** Different schemas, over all subjects; what was deleted counts, since its number stays taken. */
  schemasMax: 100_000,
  /** Versions of one subject, the deleted ones included. */
  schemaVersionsMax: 1_000,
  /** Schemas that one refers to, directly and through others. */
  schemaReferencesMax: 100,
  /** Records that the refusal of a whole request tells of one by one. */
  rejectionsToldMax: 100,
  topicsMax: 100_000,
  partitionsPerTopicMax: 1_024,
  partitionsMax: 1_000_000,
  /** Idempotent producers remembered for one partition or stream; beyond it the longest silent is forgotten. */
  producersPerPartitionMax: 10_000,
  /** An idempotent producer silent for this long is forgotten. */
  producerIdleMs: 7 * 24 * 3_600_000,
  /** Changes of state in blocks that are not folded yet; beyond it a commit with more is refused with LOG_BUSY. */
  unfoldedStateBytesMax: 128 * MIB,
  /** Streams of the Durable Streams protocol. Each has a partition of its own. */
  streamsMax: 100_000,
  /** Forks of forks of streams, and so on. */
  streamForkDepthMax: 1_000,
  /** How long a long poll of a stream waits. Short, since its readers are many kinds of programs and proxies. */
  streamWaitMs: 4_000,
  /** Transformations in one list. */
  transformationsMax: 100,
  /** Steps a regular expression of a transformation may take on one text at worst; a longer text is refused. */
  patternStepsMax: 200_000_000,
  /** One JSONata expression on one record. */
  expressionMs: 250,
  /** How deep the parts of a JSONata expression may call each other. */
  expressionDepthMax: 500,
  /** Values in one list that a JSONata expression makes. */
  expressionItemsMax: 100_000,
  /** One workflow document. */
  workflowDocumentBytesMax: 1 * MIB,
  /** Levels of objects and lists in a workflow document. */
  workflowLevelsMax: 200,
  /** Values in a workflow document, aliases of YAML taken apart. */
  workflowPartsMax: 200_000,
  /** Tasks in a workflow document. */
  workflowTasksMax: 5_000,
  /** One expression of a workflow document. */
  workflowExpressionLengthMax: 32 * KIB,
  /** Steps of one evaluation of a jq expression, about: values looked at, calls, a part of what is copied. */
  workflowExpressionStepsMax: 1_000_000,
  /** One evaluation that a library does: of JSONata, or of what of jq is not compiled. Its thread is ended after twice this. */
  workflowExpressionMs: 500,
  /** A segment is sealed when it holds this much. */
  segmentBytes: 128 * MIB,
  /** Sealed segments kept open for reading. */
  openSegmentsMax: 128,
  /** State of one partition of a processor in memory, about; beyond it a run is refused with STATE_FULL. */
  processorStateBytesMax: 512 * MIB,
  /** A table that one processor joins with, in memory, about; beyond it it is refused with STATE_FULL. */
  tableBytesMax: 256 * MIB,
  /** What one run of a processor gives and the state it touches: a run that reaches it ends early. */
  processorRunBytesMax: 16 * MIB,
  /** Bytes in workers and on their way to the log, of all processors together. */
  processingInFlightBytesMax: 64 * MIB,
  /** Heap of one worker thread; a processor that needs more is stopped with PROCESSOR_MEMORY. */
  workerHeapBytesMax: 1024 * MIB,
  /** Declared endpoints; each that is in use has a thread. */
  endpointsMax: 256,
  /** Heap of the thread of one endpoint; a connector that needs more is ended with CONNECTOR_FAILED. */
  connectorHeapBytesMax: 256 * MIB,
  /** One call of a connector: opening, a check, one page, one batch; beyond it its thread is ended with CONNECTOR_TIMEOUT. */
  connectorCallMs: 30_000,
  /** Calls under way in one endpoint; beyond it LIMIT_EXCEEDED. */
  connectorCallsMax: 64,
  /** Declared sync jobs; each at work has up to two threads. */
  syncJobsMax: 128,
  /** Heap of one thread of a sync job; one that needs more is ended, and its pages are made smaller. */
  syncHeapBytesMax: 512 * MIB,
  /** One page read, or one batch written, by a thread of a sync job; beyond it the thread is ended with CONNECTOR_TIMEOUT. */
  syncCallMs: 120_000,
  /** Bytes of its topic that the target of a sync job takes at once from each partition, about. */
  syncBatchBytes: 1 * MIB,
  /** Runs of one sync job that are remembered. */
  syncRunsMax: 100,
  /** One bearer token at the gateway. */
  tokenBytesMax: 16 * KIB,
  /** Verified tokens that one gateway thread remembers for a policy; beyond it the one used longest ago is forgotten. */
  tokensKeptMax: 10_000,
  /** A key set that is fetched from an issuer of tokens. */
  keySetBytesMax: 1 * MIB,
  /** How long fetching a key set may take. */
  keySetMs: 5_000,
  /** Revoked tokens, and as many used assertions, that the authorization server remembers; beyond it a new one is refused. */
  oauthRememberedMax: 200_000,
  /** Failed authentications of one OAuth client from one address in a minute; beyond it further ones are answered 429. */
  oauthFailuresMax: 20,
  /** Clients and addresses whose failures are counted; beyond it the one that failed longest ago is forgotten. */
  oauthFailurePlacesMax: 10_000,
  /** How long a partition that moves waits for its old member to acknowledge what it was sent. */
  rebalanceDrainMs: 3_000,
  /** Of one queue, records with members or waiting for their backoff; beyond it nothing new is handed out. */
  queueHeldRecordsMax: 100_000,
  /** Of one queue, records read ahead and not handed out; beyond it reading stops until there are fewer. */
  queueWindowRecordsMax: 1_000_000,
  /** Of one queue, memory for those; beyond it the oldest are read again when their turn comes. */
  queueWindowBytesMax: 32 * MIB,
  /** Of one queue, records waiting for their `deliver-at`; beyond it reading stops until some are due. */
  queueDelayedRecordsMax: 4_000_000,
  /** The most of one body that the gateway collects for policies that look into it. */
  gatewayBodyBytesMax: 16 * MIB,
  /** Steps a pattern of an API description may take on one text at worst; a longer text does not fit it. */
  gatewayPatternStepsMax: 5_000_000,
  /** Counters of the gateway's rate limits, over all routes and threads; beyond it those that end first are given up. */
  gatewayCountersMax: 131_072,
  /** Ids of signed requests the gateway remembers; beyond it one that would have to be is refused with LIMIT_EXCEEDED. */
  gatewayReplaysMax: 65_536,
  /** One message of a WebSocket that the gateway passes on. */
  gatewayMessageBytesMax: 16 * MIB,
  /** What the system takes in for one connection to the gateway before it is read; it may double it. Below 256 KiB. */
  gatewayReceiveBytes: 192 * KIB,
  /** Request bodies gathered and answers collected on one gateway thread, all together; beyond it GATEWAY_FULL. */
  gatewayHeldBytesMax: 128 * MIB,
  /** Copies of requests under way to shadow upstreams, from one gateway thread; beyond it they are left out. */
  shadowRequestsMax: 256,
  /** The rest of a request that was answered early is read and dropped up to this; with more the connection is closed. */
  gatewayDiscardBytesMax: 64 * MIB,
  /** Access records of one gateway thread on their way to the log; beyond it they are lost, and counted. */
  accessRecordsPendingBytesMax: 8 * MIB,
  /** Spans of one gateway thread that wait for the collector; beyond it they are lost, and counted. */
  spansPendingMax: 8_192,
  /** Quotas that are counted, one for each client and kind of period. */
  quotaCellsMax: 30_000,
  /** Units of a quota that are in the log and not used yet: what a crash may count too many. */
  quotaLeaseMax: 1_000,
  /** Records of requests that one question of usage looks at. */
  usageRecordsMax: 5_000_000,
  /** Rows of its answer: APIs, versions and clients. */
  usageRowsMax: 10_000,
  /** What `sys.gateway.requests` keeps at most; the oldest records go first. */
  accessTopicBytesMax: 1024 * MIB,
  /** Requests of queued routes whose fate is remembered; beyond it the oldest that have ended are forgotten early. */
  queuedStatusesMax: 1_000_000,
  /** Captures of a route on their way from one gateway thread to the log; beyond it they are lost, and counted. */
  captureBytesPendingMax: 8 * MIB,
  /** Idempotency keys that are kept, over all routes; beyond it requests with new ones are refused with LIMIT_EXCEEDED. */
  idempotencyKeysMax: 100_000,
  /** Answers kept for them, all together; the same beyond it. */
  idempotencyBytesMax: 256 * MIB,
  /** One declared API with all its versions and documents, as JSON. */
  apiBytesMax: 256 * KIB,
  /** A JSON body that the gateway brings from one version of an API to another. */
  apiBodyBytesMax: 1 * MIB,
  /** Tasks of one run of a workflow, over its whole life; beyond it the run fails. */
  workflowStepsMax: 1_000_000,
  /** Tasks that one run begins before others have their turn. */
  workflowStepsAtOnceMax: 500,
  /** Tasks of one run that does nothing but go on; it is held back to as many in a second. */
  workflowStepsPerSecondMax: 10_000,
  /** What one task is given or puts out, as JSON; beyond it the task fails. A character may take three bytes. */
  workflowEventCharsMax: 256 * KIB,
  /** Events that one run keeps for tasks that do not listen yet. */
  workflowKeptEventsMax: 100,
  /** Events of the bus that are remembered for tasks that begin to listen after they came. */
  workflowRecentEventsMax: 1_000,
  /** Open runs of one partition that are at hand without being parsed. */
  workflowLiveMax: 10_000,
  /** Open runs of one partition; beyond it a start is refused with WORKFLOW_BUSY. */
  workflowOpenMax: 5_000_000,
  /** State of the open runs of one partition in memory; beyond it a start is refused with WORKFLOW_BUSY. */
  workflowStateBytesMax: 2_048 * MIB,
  /** Keys of starts that one partition remembers; beyond it a start with a new one is refused with WORKFLOW_BUSY. */
  workflowStartKeysMax: 1_000_000,
  /** How long a key of a start is remembered. */
  workflowStartKeyMs: 24 * 3_600_000,
  /** Starts that are not answered yet; beyond it a start is refused with WORKFLOW_BUSY. */
  workflowStartsPendingMax: 20_000,
  /** The same for everything else that is asked of runs. */
  workflowCommandsPendingMax: 100_000,
  /** Calls of services under way in one partition; what is more waits. */
  workflowCallsMax: 1_000,
  /** One call of a service. */
  workflowCallMs: 60_000,
  /** The answer of a service; beyond it the call fails. */
  workflowAnswerBytesMax: 256 * KIB,
  /** One script of a workflow. */
  workflowScriptMs: 5_000,
  /** Heap of the thread of one script. */
  workflowScriptHeapBytesMax: 64 * MIB,
  /** How long a graceful shutdown waits for connections to drain. */
  shutdownMs: 10_000,
};

export type Limits = Readonly<typeof DEFAULT_LIMITS>;

/**
 * The limits in force: `overrides` over the defaults.
 * @throws an assertion where a value is not a positive whole number or two limits contradict each other
 */
export function resolveLimits(overrides: Partial<Limits> = {}): Limits {
  const limits = { ...DEFAULT_LIMITS, ...overrides };
  for (const [name, value] of Object.entries(limits)) {
    assert(Number.isSafeInteger(value) && value >= 0, `limit ${name} must be a whole number, not ${value}`);
  }
  assert(limits.recordBytesMax < limits.batchBytesMax, 'recordBytesMax must be below batchBytesMax');
  assert(limits.batchBytesMax < limits.messageBytesMax, 'batchBytesMax must be below messageBytesMax');
  assert(limits.batchBytesMax <= limits.requestBytesMax, 'batchBytesMax must not exceed requestBytesMax');
  assert(limits.batchBytesMax <= limits.connectionCreditBytes, 'a credit must admit one whole batch');
  assert(limits.connectionCreditBytes <= limits.pendingBytesMax, 'one credit must fit in pendingBytesMax');
  assert(limits.batchBytesMax * 2 <= limits.segmentBytes, 'a segment must hold more than one batch');
  return limits;
}
