/** The kernel: what every layer stands on. It knows nothing of records, logs or sockets. */
export { compareBytes, decodeUtf8, EMPTY, encodeUtf8, formatBytes } from './bytes.ts';
export { type Clock, ManualClock, processMs, systemClock } from './clock.ts';
export { crashPoint } from './crash-point.ts';
export {
  asSluiceError,
  assert,
  ERROR_TABLE,
  type ErrorCode,
  type ErrorDetails,
  type ProblemDocument,
  SluiceError,
  toProblem,
} from './errors.ts';
export { DEFAULT_LIMITS, type Limits, resolveLimits } from './limits.ts';
export { createLogger, type Logger, type LogLevel, silentLogger } from './logger.ts';
export { Counter, Histogram, LATENCY_BOUNDS_S, Metrics } from './metrics.ts';
export { covers, isScope, matchesGlob } from './scope.ts';
