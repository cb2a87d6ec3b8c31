/** What Kafka and the way to it report, as coded errors, by the names of its protocol's errors. */
import { SluiceError } from '#connector';

interface KafkaFailure extends Error {
  readonly type?: string;
  readonly cause?: unknown;
}

const AWAY =
  /^KafkaJS(Connection|RequestTimeout|Timeout|BrokerNotFound|NumberOfRetriesExceeded|ConnectionClosed|LockTimeout)/;
const RETRY_MS = 1_000;

export function coded(error: unknown): unknown {
  if (error instanceof SluiceError) return error;
  const { name, message, type = '', cause } = error as KafkaFailure;
  if (/SASL/.test(name) || /AUTHORIZATION_FAILED|SASL|AUTHENTICATION/.test(type)) {
    return new SluiceError('ENDPOINT_REFUSED', message);
  }
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION') return new SluiceError('ENDPOINT_STREAM_UNKNOWN', message);
  if (type === 'THROTTLING_QUOTA_EXCEEDED') {
    return new SluiceError('ENDPOINT_RATE_LIMITED', message, { retry_after_ms: RETRY_MS });
  }
  // Tried several times, for a reason of its own.
  if (name === 'KafkaJSNumberOfRetriesExceeded' && cause instanceof Error) return coded(cause);
  if (AWAY.test(name) || /NOT_AVAILABLE|NOT_LEADER|NOT_ENOUGH_REPLICAS|NETWORK|TIMED_OUT/.test(type)) {
    return new SluiceError('ENDPOINT_UNREACHABLE', message);
  }
  return new SluiceError('ENDPOINT_FAILED', message);
}

/** Why Kafka does not take records; undefined when the error is not about them. */
export function rejection(error: unknown): string | undefined {
  const { type = '', message, cause } = error as KafkaFailure;
  if (/MESSAGE_TOO_LARGE|INVALID_RECORD|RECORD_LIST_TOO_LARGE|CORRUPT_MESSAGE/.test(type)) return message;
  return cause instanceof Error ? rejection(cause) : undefined;
}
