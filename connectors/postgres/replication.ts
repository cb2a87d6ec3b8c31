/**
 * One stream of logical replication: what the server sends, in its order, taken one by one. The queue is bounded by pausing the
 * connection; nothing is acknowledged but what the taker says, since the server forgets it then. Used by `changes`.
 *
 * The decoding is `pg-logical-replication`'s; its service is not used, since it acknowledges what it has received, one byte
 * further than that, and tells of the server's own place ahead of the messages before it.
 */
import pg from 'pg';
import { type Pgoutput, PgoutputPlugin } from 'pg-logical-replication';
import { Arrivals, SluiceError } from '#connector';
import { lsnNumber, lsnOf } from './place.ts';

/** The server is told where we are, and asked where it is. */
const STATUS_MS = 2_000;
/** Silence after which the connection is given up, though we ask. */
const SILENCE_MS = 20_000;
const CLOSE_MS = 500;
/** Microseconds from 1970 to 2000, where the server's clock begins. */
const EPOCH_MICROS = 946_684_800_000_000n;
const STATUS_BYTES = 34;
const XLOG_DATA = 0x77;
const KEEPALIVE = 0x6b;
const HEADER_BYTES = 25;

export interface Arrival {
  /** null: the server has sent all that was committed before `lsn`. */
  readonly message: Pgoutput.Message | null;
  readonly lsn: string;
  readonly bytes: number;
}

/** The members of the client library's connection that carry replication; it does not declare them. */
interface CopyConnection {
  readonly stream: { pause(): void; resume(): void; destroy(): void };
  on(event: 'copyData', listener: (message: { chunk: Buffer }) => void): void;
  once(event: 'replicationStart', listener: () => void): void;
  sendCopyFromChunk(chunk: Buffer): void;
}

export class ReplicationStream {
  readonly slot: string;
  readonly #client: pg.Client;
  readonly #connection: CopyConnection;
  readonly #plugin: PgoutputPlugin;
  readonly #open: Set<ReplicationStream>;
  readonly #arrivals: Arrivals<Arrival>;
  #done: string;
  #heardAt = performance.now();
  #timer: NodeJS.Timeout | undefined;

  private constructor(
    client: pg.Client,
    plugin: PgoutputPlugin,
    slot: string,
    from: string,
    open: Set<ReplicationStream>,
  ) {
    this.slot = slot;
    this.#client = client;
    this.#connection = (client as unknown as { connection: CopyConnection }).connection;
    this.#plugin = plugin;
    this.#done = from;
    this.#open = open;
    this.#arrivals = new Arrivals({
      pause: () => this.#connection.stream.pause(),
      resume: () => {
        this.#heardAt = performance.now();
        this.#connection.stream.resume();
      },
    });
  }

  /**
   * @param open those that are open, with this one until it is closed
   * @throws what the server and the way to it report
   */
  static async open(
    config: pg.ClientConfig,
    slot: string,
    from: string,
    open: Set<ReplicationStream>,
  ): Promise<ReplicationStream> {
    // The declared configuration knows nothing of replication.
    const client = new pg.Client({ ...config, replication: 'database' } as pg.ClientConfig);
    const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [slot], messages: true });
    const stream = new ReplicationStream(client, plugin, slot, from, open);
    open.add(stream);
    client.on('error', (error) => stream.#fail(error));
    client.on('end', () => stream.#fail(new SluiceError('ENDPOINT_UNREACHABLE', 'the connection ended')));
    try {
      await client.connect();
      stream.#connection.on('copyData', ({ chunk }) => stream.#take(chunk));
      await new Promise<void>((resolve, reject) => {
        stream.#connection.once('replicationStart', resolve);
        plugin.start(client, slot, from).then(
          () => stream.#fail(new SluiceError('ENDPOINT_UNREACHABLE', 'the server ended the replication')),
          (error: unknown) => {
            stream.#fail(error);
            reject(error);
          },
        );
      });
    } catch (error) {
      await stream.close();
      throw error;
    }
    stream.#timer = setInterval(() => stream.#status(true), STATUS_MS).unref();
    return stream;
  }

  /** The next arrival; undefined when there is none yet. */
  shift(): Arrival | undefined {
    return this.#arrivals.shift();
  }

  /** Resolves when something has arrived, and at the latest after so long. @throws what ended the stream */
  readable(ms: number): Promise<void> {
    return this.#arrivals.readable(ms);
  }

  /** The server need not keep what is before this place. */
  acknowledge(lsn: string): void {
    if (lsn === this.#done) return;
    this.#done = lsn;
    this.#status(false);
  }

  async close(): Promise<void> {
    this.#open.delete(this);
    clearInterval(this.#timer);
    this.#fail(new SluiceError('SHUTTING_DOWN', 'the reader of changes was closed'));
    const { stream } = this.#connection;
    const late = setTimeout(() => stream.destroy(), CLOSE_MS);
    if (this.#arrivals.paused) stream.resume();
    await this.#client.end().catch(() => undefined);
    clearTimeout(late);
  }

  #take(chunk: Buffer): void {
    this.#heardAt = performance.now();
    if (this.#arrivals.failed) return;
    const lsn = lsnOf(chunk.readUInt32BE(1), chunk.readUInt32BE(5));
    if (chunk[0] === XLOG_DATA) {
      this.#arrivals.push({ message: this.#parse(chunk.subarray(HEADER_BYTES)), lsn, bytes: chunk.length });
    } else if (chunk[0] === KEEPALIVE) {
      this.#arrivals.push({ message: null, lsn, bytes: 0 });
      if (chunk[17] === 1) this.#status(false);
    }
  }

  #parse(body: Buffer): Pgoutput.Message {
    const message = this.#plugin.parse(body);
    if (message.tag !== 'relation') return message;
    // Values stay the server's text: what they are is decided by the table.
    for (const column of message.columns) column.parser = (text: string) => text;
    return message;
  }

  #status(ask: boolean): void {
    if (this.#arrivals.failed) return;
    if (ask && !this.#arrivals.paused && performance.now() - this.#heardAt > SILENCE_MS) {
      this.#fail(new SluiceError('ENDPOINT_UNREACHABLE', `the server was silent for ${SILENCE_MS} ms`));
      return;
    }
    const done = lsnNumber(this.#done);
    const status = Buffer.alloc(STATUS_BYTES);
    status[0] = 0x72;
    for (const at of [1, 9, 17]) status.writeBigUInt64BE(done, at);
    status.writeBigInt64BE(BigInt(Date.now()) * 1_000n - EPOCH_MICROS, 25);
    status[33] = ask ? 1 : 0;
    this.#connection.sendCopyFromChunk(status);
  }

  #fail(error: unknown): void {
    this.#arrivals.fail(error);
  }
}
