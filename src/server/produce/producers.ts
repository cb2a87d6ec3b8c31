/**
 * Names of idempotent producers and the numbers that stand for them in batches. Kept in the log's state space
 * `producers`, so that a producer keeps its number across restarts of either side, whether it speaks HTTP or WebSocket.
 */
import { randomInt } from 'node:crypto';
import type { Log } from '#log';

const SPACE = 'producers';
const EPOCH_MAX = 32_767;
/** Two draws below 2^48 and 2^4 make a number below 2^52, exact as a double. */
const RANDOM_LOW = 2 ** 48 - 1;
const RANDOM_HIGH = 2 ** 4;

export interface ProducerIdentity {
  readonly id: number;
  readonly epoch: number;
}

export class ProducerRegistry {
  readonly #log: Log;
  /** Work on a name waits for what is under way on it. */
  readonly #underWay = new Map<string, Promise<ProducerIdentity>>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** The number of this name; drawn and stored at its first use. */
  async idOf(name: string): Promise<number> {
    const known = this.#read(name) ?? (await this.#exclusively(name, async () => this.#read(name) ?? this.#draw(name)));
    return known.id;
  }

  /** A number and an epoch one above the last, which fences its earlier holder; without a name, both fresh. */
  init(name?: string): Promise<ProducerIdentity> {
    if (name === undefined) return Promise.resolve({ id: randomId(), epoch: 0 });
    return this.#exclusively(name, () => {
      const known = this.#read(name);
      if (known === undefined || known.epoch >= EPOCH_MAX) return this.#draw(name);
      return this.#store(name, { id: known.id, epoch: known.epoch + 1 });
    });
  }

  #draw(name: string): Promise<ProducerIdentity> {
    return this.#store(name, { id: randomId(), epoch: 0 });
  }

  async #store(name: string, identity: ProducerIdentity): Promise<ProducerIdentity> {
    const value = Buffer.from(JSON.stringify(identity));
    await this.#log.commit({ state: [{ space: SPACE, key: name, value }] });
    return identity;
  }

  #read(name: string): ProducerIdentity | undefined {
    const stored = this.#log.getState(SPACE, name);
    return stored === undefined ? undefined : JSON.parse(Buffer.from(stored).toString());
  }

  async #exclusively(name: string, work: () => Promise<ProducerIdentity>): Promise<ProducerIdentity> {
    const before = this.#underWay.get(name) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#underWay.set(name, mine);
    try {
      return await mine;
    } finally {
      if (this.#underWay.get(name) === mine) this.#underWay.delete(name);
    }
  }
}

function randomId(): number {
  return randomInt(RANDOM_HIGH) * 2 ** 48 + randomInt(RANDOM_LOW) + 1;
}
