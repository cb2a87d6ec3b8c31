/**
 * `sys.gateway.requests` on the main thread: created with the first batch of access records, appended to without waiting
 * for the disk. A batch the log refuses is lost to the records, and the thread it came from is told.
 */
import { type Counter, type Limits, type Logger, type Metrics, SluiceError } from '#kernel';
import type { Log, Partition } from '#log';

export const REQUEST_TOPIC = 'sys.gateway.requests';

/** What a listener thread hands over. */
export interface RecordedBatch {
  readonly batch: Uint8Array;
  /** How many requests it tells of. */
  readonly records: number;
}

const DAY_MS = 86_400_000;

export interface RequestTopicParts {
  readonly log: Log;
  readonly limits: Limits;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** How long records are kept. */
  readonly days: number;
}

export class RequestTopic {
  readonly #parts: RequestTopicParts;
  readonly #recorded: Counter;
  readonly #lost: Counter;
  #partition: Promise<Partition> | undefined;
  #failing = false;

  constructor(parts: RequestTopicParts) {
    this.#parts = parts;
    const { metrics } = parts;
    this.#recorded = metrics.counter('sluice_gateway_records_total', 'Access records appended to sys.gateway.requests');
    this.#lost = metrics.counter('sluice_gateway_records_lost_total', 'Access records that could not be kept');
  }

  /** @throws as `Partition.append` */
  async append({ batch, records }: RecordedBatch): Promise<void> {
    try {
      this.#partition ??= this.#open();
      await (await this.#partition).append(batch, { durability: 'memory' });
      this.#recorded.add(records);
      this.#failing = false;
    } catch (error) {
      this.#partition = undefined;
      if (!this.#failing) this.#parts.logger.warn({ err: error }, 'access records of the gateway are being lost');
      this.#failing = true;
      throw error;
    }
  }

  lost(records: number): void {
    this.#lost.add(records);
  }

  async #open(): Promise<Partition> {
    const { log, limits, days } = this.#parts;
    const retention = { retentionMs: days * DAY_MS, retentionBytes: limits.accessTopicBytesMax };
    const found = log.findTopic(REQUEST_TOPIC);
    if (found === undefined) {
      try {
        await log.createTopic(REQUEST_TOPIC, retention);
      } catch (error) {
        if (!(error instanceof SluiceError && error.code === 'TOPIC_EXISTS')) throw error;
      }
    } else if (
      found.config.retentionMs !== retention.retentionMs ||
      found.config.retentionBytes !== retention.retentionBytes
    ) {
      await log.updateTopic(REQUEST_TOPIC, retention);
    }
    return log.partition(REQUEST_TOPIC, 0);
  }
}
