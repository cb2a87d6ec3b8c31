/** One connection to RabbitMQ, made again when it was lost, and the channel that writes on it. */
import { type Channel, type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import { SluiceError } from '#connector';

const CONNECT_MS = 5_000;
const HEARTBEAT_S = 10;

export interface BrokerSettings {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password?: string | undefined;
  readonly vhost: string;
  readonly tls: 'off' | 'unverified' | 'verified';
  readonly queues: readonly string[];
  readonly declare: boolean;
}

export class Session {
  readonly #settings: BrokerSettings;
  readonly #name: string;
  #model: Promise<ChannelModel> | undefined;
  #writer: Promise<ConfirmChannel> | undefined;
  readonly #readers = new Set<Channel>();
  #closed = false;

  constructor(settings: BrokerSettings, endpoint: string) {
    this.#settings = settings;
    this.#name = `sluice ${endpoint}`;
  }

  async connect(): Promise<void> {
    await this.model();
    if (!this.#settings.declare) return;
    const channel = await (await this.model()).createChannel();
    channel.on('error', () => undefined);
    for (const queue of this.#settings.queues) await channel.assertQueue(queue, { durable: true });
    await channel.close();
  }

  async check(): Promise<void> {
    const channel = await (await this.model()).createChannel();
    channel.on('error', () => undefined);
    await channel.close();
  }

  model(): Promise<ChannelModel> {
    if (this.#closed) throw new SluiceError('ENDPOINT_UNREACHABLE', 'the connection is closed');
    this.#model ??= this.#begin().catch((error: unknown) => {
      this.#model = undefined;
      throw error;
    });
    return this.#model;
  }

  /** A channel for one reader. */
  async reader(): Promise<Channel> {
    const channel = await (await this.model()).createChannel();
    channel.on('error', () => undefined);
    channel.once('close', () => this.#readers.delete(channel));
    this.#readers.add(channel);
    return channel;
  }

  /** A channel on which the broker confirms. */
  writer(): Promise<ConfirmChannel> {
    this.#writer ??= this.#beginWriter().catch((error: unknown) => {
      this.#writer = undefined;
      throw error;
    });
    return this.#writer;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const model = await this.#model?.catch(() => undefined);
    // First they, so that what they have acknowledged arrives: the connection's own end would overtake it.
    await Promise.all([...this.#readers].map((channel) => channel.close().catch(() => undefined)));
    await model?.close().catch(() => undefined);
  }

  async #begin(): Promise<ChannelModel> {
    const { host, port, user, password = '', vhost, tls } = this.#settings;
    const options = {
      protocol: tls === 'off' ? 'amqp' : 'amqps',
      hostname: host,
      port,
      username: user,
      password,
      vhost,
      heartbeat: HEARTBEAT_S,
    };
    const model = await connect(options, {
      timeout: CONNECT_MS,
      rejectUnauthorized: tls === 'verified',
      clientProperties: { connection_name: this.#name },
    });
    // What the error was is told by what fails.
    model.on('error', () => undefined);
    model.on('close', () => {
      this.#model = undefined;
      this.#writer = undefined;
    });
    return model;
  }

  async #beginWriter(): Promise<ConfirmChannel> {
    const channel = await (await this.model()).createConfirmChannel();
    // Each message that is not confirmed yet listens.
    channel.setMaxListeners(0);
    channel.on('error', () => undefined);
    channel.on('close', () => {
      this.#writer = undefined;
    });
    return channel;
  }
}
