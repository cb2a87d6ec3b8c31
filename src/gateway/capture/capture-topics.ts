/**
 * The topics of captures on the main thread: made when the first capture of a route comes, with the retention the route
 * says, appended to without waiting for the disk. They outlive the capture, and the route. Called over the link.
 */
import { type Counter, type Logger, type Metrics, SluiceError } from '#kernel';
import type { Log, Partition } from '#log';
import type { RouteSpec } from '../kinds/route-kind.ts';
import { captureTopic } from './captured-request.ts';

export interface CapturedBatch {
  readonly route: string;
  readonly batch: Uint8Array;
  /** Captures that were lost before it. */
  readonly lost: number;
}

export interface CaptureTopicsParts {
  readonly log: Log;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export class CaptureTopics {
  readonly #parts: CaptureTopicsParts;
  readonly #specOf: (route: string) => RouteSpec | undefined;
  readonly #opening = new Map<string, Promise<Partition>>();

  constructor(parts: CaptureTopicsParts, specOf: (route: string) => RouteSpec | undefined) {
    this.#parts = parts;
    this.#specOf = specOf;
  }

  /** @throws as `Partition.append` */
  async append({ route, batch, lost }: CapturedBatch): Promise<undefined> {
    this.#counter(route, 'lost').add(lost);
    try {
      const partition = await this.#open(route);
      await partition.append(batch, { durability: 'memory' });
      this.#counter(route, 'kept').add();
      return undefined;
    } catch (error) {
      this.#opening.delete(route);
      this.#parts.logger.warn({ err: error, route }, 'captures of the gateway are being lost');
      throw error;
    }
  }

  #counter(route: string, outcome: string): Counter {
    const help = 'Captured requests by route: kept, or lost because the log did not take them';
    return this.#parts.metrics.counter('sluice_gateway_captures_total', help, { route, outcome });
  }

  /** The route was declared anew: its retention may be another one. */
  declared(route: string): void {
    this.#opening.delete(route);
  }

  #open(route: string): Promise<Partition> {
    const known = this.#opening.get(route);
    if (known !== undefined) return known;
    const opening = this.#make(route);
    this.#opening.set(route, opening);
    return opening;
  }

  async #make(route: string): Promise<Partition> {
    const { log } = this.#parts;
    const name = captureTopic(route);
    const capture = this.#specOf(route)?.capture;
    const retention =
      capture === undefined
        ? undefined
        : { retentionMs: capture.retention_ms, retentionBytes: capture.retention_bytes };
    if (log.findTopic(name) === undefined) {
      try {
        await log.createTopic(name, retention);
      } catch (error) {
        if (!(error instanceof SluiceError && error.code === 'TOPIC_EXISTS')) throw error;
      }
    } else if (retention !== undefined) await log.updateTopic(name, retention);
    return log.partition(name, 0);
  }
}
