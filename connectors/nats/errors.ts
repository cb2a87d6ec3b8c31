/** What NATS and the way to it report, as coded errors. */
import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { SluiceError } from '#connector';

const AWAY = [
  errors.ConnectionError,
  errors.ClosedConnectionError,
  errors.DrainingConnectionError,
  errors.TimeoutError,
  errors.RequestError,
];

export function coded(error: unknown): unknown {
  if (error instanceof SluiceError) return error;
  const { message, code, cause } = error as Error & { code?: unknown };
  if (
    error instanceof errors.AuthorizationError ||
    error instanceof errors.UserAuthenticationExpiredError ||
    error instanceof errors.PermissionViolationError ||
    /authorization violation|authentication/i.test(message)
  ) {
    return new SluiceError('ENDPOINT_REFUSED', message);
  }
  if (error instanceof JetStreamApiError) {
    const unknown = error.code === JetStreamApiCodes.StreamNotFound;
    return new SluiceError(unknown ? 'ENDPOINT_STREAM_UNKNOWN' : 'ENDPOINT_FAILED', message);
  }
  if (AWAY.some((kind) => error instanceof kind) || typeof code === 'string' || /connect|closed/i.test(message)) {
    const inner = cause instanceof Error ? `: ${cause.message}` : '';
    return new SluiceError('ENDPOINT_UNREACHABLE', `${message}${inner}`);
  }
  return new SluiceError('ENDPOINT_FAILED', message);
}
