/**
 * Access records on a listener thread. Each is encoded straight into a record batch; a batch is handed to the main thread
 * when it is full or a moment old, and nobody waits for it.
 *
 *   request ended ─▶ record into the batch ── full, or 100 ms ──▶ main thread ── appended ──▶ its bytes count no longer
 *                       │ too much is on its way
 *                       └─▶ lost, and counted: the next batch begins with a record of how many
 */
import type { Clock } from '#kernel';
import { BatchBuilder } from '#record';
import type { ThreadLink } from '../link.ts';
import type { GatewayRequest, Outcome } from '../policy.ts';
import { type AccessLog, networkOf, UNROUTED } from './access-log.ts';
import { bodiesText } from './bodies.ts';
import { lostText, type RecordedRequest, recordText } from './record-text.ts';

/** A message to another thread costs far more than the records in it. */
const BATCH_BYTES = 256 * 1024;
const FLUSH_MS = 100;
const NETWORKS_KEPT_MAX = 4_096;
const NOTHING = new Uint8Array(0);
const BYTES_A_CHARACTER = 3;

export interface RecorderParts {
  readonly clock: Clock;
  readonly link: ThreadLink;
  /** Bytes on their way to the log. */
  readonly pendingBytesMax: number;
  /** Called with how many records could not be kept. */
  lost(records: number): void;
}

export class Recorder {
  readonly #parts: RecorderParts;
  readonly #builder = new BatchBuilder(2 * BATCH_BYTES);
  readonly #networks = new Map<string, string>();
  readonly #timer: NodeJS.Timeout;
  readonly #underWay = new Set<Promise<void>>();
  #scratch = Buffer.allocUnsafe(BATCH_BYTES);
  #pendingBytes = 0;
  /** Not yet told of in a record. */
  #lost = 0;
  /** Told of in the batch that is being filled. */
  #toldLost = 0;

  constructor(parts: RecorderParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => this.#flush(), FLUSH_MS);
  }

  /** A request has come to its end. @param log of its route; undefined: no route took it */
  ended(
    request: RecordedRequest & Pick<GatewayRequest, 'clientAddress'>,
    log: AccessLog = UNROUTED,
    outcome: Outcome,
    trace = '',
  ): void {
    if (log.percent < 100 && outcome.status < 500 && Math.random() * 100 >= log.percent) return;
    if (this.#builder.bytes >= BATCH_BYTES && !this.#flush()) {
      this.#lose(1);
      return;
    }
    const now = this.#parts.clock.now();
    if (this.#lost > 0) {
      this.#add(lostText(now, this.#lost), now);
      this.#toldLost += this.#lost;
      this.#lost = 0;
    }
    const facts = { address: this.#address(request, log), trace, bodies: bodiesText(request) };
    this.#add(recordText(log, request, outcome, facts), now);
  }

  #add(text: string, now: number): void {
    const room = text.length * BYTES_A_CHARACTER;
    if (room > this.#scratch.length) this.#scratch = Buffer.allocUnsafe(room);
    const bytes = this.#scratch.write(text);
    this.#builder.addPieces(NOTHING, 0, -1, this.#scratch, 0, bytes, null, 0, 0, now);
  }

  #address({ clientAddress }: { readonly clientAddress: string }, { address }: AccessLog): string {
    if (address === 'none') return '';
    if (address === 'full') return clientAddress;
    let network = this.#networks.get(clientAddress);
    if (network === undefined) {
      if (this.#networks.size === NETWORKS_KEPT_MAX) this.#networks.clear();
      network = networkOf(clientAddress);
      this.#networks.set(clientAddress, network);
    }
    return network;
  }

  /** Hands over what there is. False: too much is on its way already. */
  #flush(): boolean {
    const builder = this.#builder;
    if (builder.count === 0) return true;
    if (this.#pendingBytes + builder.bytes > this.#parts.pendingBytesMax) return false;
    const batch = builder.finish().slice();
    const told = this.#toldLost;
    const records = builder.count - (told > 0 ? 1 : 0);
    builder.reset();
    this.#toldLost = 0;
    const bytes = batch.length;
    this.#pendingBytes += bytes;
    const sent = this.#parts.link
      .ask('records', { batch, records }, [batch.buffer])
      .catch(() => {
        // Why is told by the main thread, which refused it.
        this.#lose(records);
        this.#lost += told;
      })
      .finally(() => {
        this.#pendingBytes -= bytes;
        this.#underWay.delete(sent);
      });
    this.#underWay.add(sent);
    return true;
  }

  #lose(records: number): void {
    this.#lost += records;
    this.#parts.lost(records);
  }

  /** Hands over the rest, and waits until it is in the log. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#flush();
    await Promise.all(this.#underWay);
  }
}
