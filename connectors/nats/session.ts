/** One connection to NATS, made again when it was lost, and what JetStream says of its streams. */
import { type JetStreamManager, jetstreamManager, RetentionPolicy, type StreamInfo } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { type MessageFormat, messageStream, SluiceError, type Stream } from '#connector';

const CONNECT_MS = 5_000;
const STREAMS_MAX = 1_000;
const BESIDE = { _seq: 'int64', _subject: 'string', _id: 'string', _headers: 'json' } as const;

export interface ServerSettings {
  readonly servers: readonly string[];
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  readonly tls: 'off' | 'unverified' | 'verified';
}

export interface Open {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
}

export class Session {
  readonly #settings: ServerSettings;
  readonly #name: string;
  #open: Promise<Open> | undefined;
  #closed = false;

  constructor(settings: ServerSettings, endpoint: string) {
    this.#settings = settings;
    this.#name = `sluice ${endpoint}`;
  }

  async connect(): Promise<void> {
    await this.open();
  }

  async check(): Promise<void> {
    const { connection, manager } = await this.open();
    await connection.rtt();
    await manager.getAccountInfo();
  }

  open(): Promise<Open> {
    if (this.#closed) throw new SluiceError('ENDPOINT_UNREACHABLE', 'the connection is closed');
    this.#open ??= this.#begin().catch((error: unknown) => {
      this.#open = undefined;
      throw error;
    });
    return this.#open;
  }

  async streams(format: MessageFormat): Promise<Stream[]> {
    const { manager } = await this.open();
    const streams: Stream[] = [];
    for await (const info of manager.streams.list()) {
      streams.push(streamOf(info, format));
      if (streams.length === STREAMS_MAX) break;
    }
    return streams.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @throws ENDPOINT_STREAM_UNKNOWN */
  async info(name: string): Promise<StreamInfo> {
    const { manager } = await this.open();
    // What the server could not take for a name is none.
    if (!/^[^\s.*>/\\]+$/.test(name)) unknown(name);
    return manager.streams.info(name);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const open = await this.#open?.catch(() => undefined);
    await open?.connection.drain().catch(() => undefined);
  }

  async #begin(): Promise<Open> {
    const { servers, user, password, token, tls } = this.#settings;
    const connection = await connect({
      servers: [...servers],
      name: this.#name,
      timeout: CONNECT_MS,
      // Who waits is told at once, and goes on where it was.
      reconnect: false,
      ...(user === undefined ? {} : { user, pass: password ?? '' }),
      ...(token === undefined ? {} : { token }),
      ...(tls === 'off' ? {} : { tls: { rejectUnauthorized: tls === 'verified' } as object }),
    });
    void connection.closed().then(() => {
      this.#open = undefined;
    });
    return { connection, manager: await jetstreamManager(connection, { checkAPI: false }) };
  }
}

export function isQueue({ config }: StreamInfo): boolean {
  return config.retention !== RetentionPolicy.Limits;
}

export function streamOf(info: StreamInfo, format: MessageFormat): Stream {
  const can = isQueue(info)
    ? (['changes', 'append'] as const)
    : (['full', 'incremental', 'changes', 'append'] as const);
  return messageStream(info.config.name, format, BESIDE, { can });
}

function unknown(name: string): never {
  throw new SluiceError('ENDPOINT_STREAM_UNKNOWN', `there is no stream ${name}`, { name });
}
